"""What a broker can do and what it promises about ids: plain facts, the proof rules stand on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..trading import OrderType, TimeInForce

__all__ = ["Capabilities"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a broker can do.

    Attributes:
        order_types: the order types it takes.
        times_in_force: the times in force it takes.
        fractional: whether it takes parts of a unit.
        notional: whether it takes an amount of money instead of units.
        extended_hours: whether it takes orders for outside the regular session.
        replace: whether it changes working orders.
        client_id_max_length: how long a client order id may be.
        client_id_dedupes: True where a second order with a used client order id is refused: there, and only there, may
            the same order be sent again after a proof of absence.
        find_by_client_id: ``strong`` (an order is visible once it was accepted), ``eventual`` (a while later), ``no``.
        worst_lag: seconds after which an accepted order is certainly visible to a look-up.
        send_max: seconds from the commit of SENDING within which the request must be written.
    """

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    fractional: bool = False
    notional: bool = False
    extended_hours: bool = False
    replace: bool = False
    client_id_max_length: int = 48
    client_id_dedupes: bool = False
    find_by_client_id: Literal["strong", "eventual", "no"] = "no"
    worst_lag: float = 15.0
    send_max: float = 10.0
