"""Tradovate's REST API, as flows: futures, one session for each user, refusals that come with HTTP 200."""

from .adapter import Tradovate
from .tables import ERROR_TABLE, STATUS_MAP, TRADOVATE_CAPABILITIES

__all__ = ["ERROR_TABLE", "STATUS_MAP", "TRADOVATE_CAPABILITIES", "Tradovate"]
