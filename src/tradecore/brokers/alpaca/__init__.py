"""Alpaca's Trading API v2, as flows."""

from .adapter import Alpaca
from .tables import ALPACA_CAPABILITIES, ERROR_TABLE, STATUS_MAP

__all__ = ["ALPACA_CAPABILITIES", "ERROR_TABLE", "STATUS_MAP", "Alpaca"]
