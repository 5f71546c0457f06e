"""Sealed columns: text that stands in the database as a token, bound to its row, and is opened on demand only."""

from .box import Sealed
from .columns import SealedText, sealed, sealed_equals
from .rows import KEYRING

__all__ = ["KEYRING", "Sealed", "SealedText", "sealed", "sealed_equals"]
