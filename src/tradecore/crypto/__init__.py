"""Secrets at rest: a ring of keys, sealed values that are bound to their place, and blind indexes to find them by."""

from .blind_index import blind_index, normal
from .ciphers import Algorithm
from .keyring import Keyring
from .keys import Key, KeyState
from .providers import EnvironmentProvider, FileProvider, KeyProvider
from .token import is_token, key_id_of

__all__ = [
    "Algorithm",
    "EnvironmentProvider",
    "FileProvider",
    "Key",
    "KeyProvider",
    "KeyState",
    "Keyring",
    "blind_index",
    "is_token",
    "key_id_of",
    "normal",
]
