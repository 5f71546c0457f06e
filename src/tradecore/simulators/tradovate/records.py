"""What a simulated Tradovate keeps besides the exchange's orders: commands, versions, and when each of them shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..exchange.tickets import Terms

__all__ = ["Command", "Version"]


@dataclass(slots=True)
class Command:
    """One command about an order. The one that made it has the order's id, and so has the first version.

    Attributes:
        label: ``clOrdId``.
        status: ``commandStatus``.
        shows_at: the clock's monotonic reading from which lists show it.
        reason: why it was refused, with a text; empty where it was not.
    """

    id: int
    order_id: int
    kind: Literal["New", "Modify", "Cancel"]
    label: str
    status: str
    at: datetime
    shows_at: float
    automated: bool
    custom_tag: str = ""
    reason: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an order; a change that is refused leaves one too. Its id is its command's."""

    id: int
    order_id: int
    terms: Terms
    text: str
