"""What can be traded."""

from __future__ import annotations

from decimal import Decimal

from .enums import AssetClass
from .exact import Exact, Frozen, Price

__all__ = ["Instrument"]


class Instrument(Frozen):
    """One instrument as a broker lists it.

    Attributes:
        symbol: the broker's symbol.
        broker_contract_id: the broker's own id of it, where it has one.
        multiplier: account currency per point and unit; 1 for shares, 5 for MES.
        tick_size: the smallest price step, or None where it depends on the price.
    """

    symbol: str
    asset_class: AssetClass = AssetClass.EQUITY
    exchange: str = ""
    name: str = ""
    currency: str = "USD"
    multiplier: Price = Decimal(1)
    tick_size: Exact | None = None
    tradable: bool = True
    fractionable: bool = False
    shortable: bool = False
    broker_contract_id: str | None = None
