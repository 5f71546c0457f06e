"""Where the key comes from that keeps the other keys: a provider wraps and unwraps them, once at the start."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ..errors import ConfigurationError
from .keys import LENGTH, decoded

__all__ = ["EnvironmentProvider", "FileProvider", "KeyProvider", "read_private"]


class KeyProvider(Protocol):
    """Keeps keys under a key of its own, such as one in a cloud's key service.

    Both methods are called while a ring is read or made, never for a single value; they may take a network call.
    """

    def wrap(self, secret: bytes) -> bytes:
        """Return the thirty-two secret bytes in a form that may be stored."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return the secret bytes; raise anything if that cannot be done."""


class _KeyWrap(ABC):
    """AES key wrap (RFC 3394) under a master key: what it keeps cannot be changed unseen."""

    _where: str

    @abstractmethod
    def _master(self) -> bytes:
        """Return the master key."""

    def _checked(self, text: str) -> bytes:
        try:
            master = decoded(text)
        except ConfigurationError:
            raise ConfigurationError(f"{self._where}: the master key is no base64") from None
        if len(master) != LENGTH:
            raise ConfigurationError(f"{self._where}: a master key is {LENGTH} bytes; this is {len(master)}")
        return master

    def wrap(self, secret: bytes) -> bytes:
        """Return the secret under the master key, 40 bytes."""
        return aes_key_wrap(self._master(), secret)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return the secret.

        Raises:
            ConfigurationError: if the master key is not the one that wrapped it.
        """
        try:
            return aes_key_unwrap(self._master(), wrapped)
        except (InvalidUnwrap, ValueError):
            raise ConfigurationError(f"{self._where}: this master key did not wrap it, or it is damaged") from None

    def __repr__(self) -> str:
        """Say where the master key stands."""
        return f"{type(self).__name__}({self._where!r})"


class EnvironmentProvider(_KeyWrap):
    """The master key stands in an environment variable, as base64 of 32 bytes; it is read anew each time."""

    def __init__(self, variable: str = "TRADECORE_MASTER_KEY") -> None:
        """Take the variable's name."""
        self._where = variable

    def _master(self) -> bytes:
        text = os.environ.get(self._where, "")
        if not text:
            raise ConfigurationError(f"the environment variable {self._where} is not set: it holds the master key")
        return self._checked(text)


class FileProvider(_KeyWrap):
    """The master key stands in a file that only its owner reads, as base64 of 32 bytes; it is read anew each time."""

    def __init__(self, path: str | Path) -> None:
        """Take the file's path, such as a secret that is mounted into a container."""
        self._where = str(path)

    def _master(self) -> bytes:
        return self._checked(read_private(Path(self._where)))


def read_private(path: Path) -> str:
    """Return the text of a file that nobody but its owner (and its group, on a read-only mount) may read.

    Raises:
        ConfigurationError: if it cannot be read, is no text, or anybody may read or change it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(65_536)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    if os.name == "posix" and mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise ConfigurationError(f"{path}: others may read or change it; chmod 600 it, and make new keys if they did")
    if not data.isascii():  # keys and comments are; the error of decoding something else would hold it
        raise ConfigurationError(f"{path}: is no text of ASCII characters")
    return data.decode("ascii")
