"""Which contract a symbol means: said by the user, never guessed, and read once from Tradovate.

``MES`` is no contract. It trades as ``MESH9`` until that expires, and which one is meant is a decision: a map makes
it (``contracts={"MES": "MESH9"}``), :func:`front_month` proposes one, and nothing is ever exchanged for another within
an order. Names repeat every ten years, so a contract is known by its id and its expiration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ...errors import BrokerError, CapabilityMissing, NotFound
from ...flow import Flow
from ...trading import AssetClass, Instrument, OrderRequest, canonical
from ..reading import instant, number
from .calls import Calls

__all__ = ["NAME", "Contract", "Contracts"]

NAME = re.compile(r"([A-Z0-9]{1,8})([FGHJKMNQUVXZ])(\d{1,2})")
"""Root, month letter, last digit of the year."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A futures contract as Tradovate lists it; what it did not say is None.

    Attributes:
        id: Tradovate's.
        name: such as ``MESH9``.
        expires_at: when it stops trading.
        tick_size: the smallest price step.
        multiplier: account currency per point.
        product: what it is of, in words.
    """

    id: int
    name: str
    expires_at: datetime | None = None
    tick_size: Decimal | None = None
    multiplier: Decimal | None = None
    product: str = ""

    def has_expired(self, at: datetime) -> bool:
        """Return whether it does not trade any more."""
        return self.expires_at is not None and self.expires_at <= at

    def objection(self, request: OrderRequest, at: datetime) -> str | None:
        """Return why an order for it cannot be sent, or None."""
        if self.has_expired(at):
            return f"the contract {self.name} expired on {self.expires_at:%Y-%m-%d}: name the one that is meant now"
        for price in (request.limit_price, request.stop_price):
            if price is not None and self.tick_size and price % self.tick_size:
                return f"{self.name} trades in steps of {canonical(self.tick_size)}"
        return None

    def instrument(self, symbol: str, at: datetime) -> Instrument:
        """Return it as an instrument called ``symbol``."""
        return Instrument(
            symbol=symbol,
            asset_class=AssetClass.FUTURE,
            name=" ".join(filter(None, (self.name, self.product))),
            multiplier=self.multiplier or Decimal(1),
            tick_size=self.tick_size,
            tradable=not self.has_expired(at),
            shortable=True,
            broker_contract_id=str(self.id),
        )


class Contracts:
    """The contracts of one environment, each read once.

    Args:
        calls: reads from Tradovate.
        mapped: symbol to contract name, where a symbol names none itself.
    """

    def __init__(self, calls: Calls, mapped: Mapping[str, str]) -> None:
        """Know nothing yet."""
        self.mapped: Mapping[str, str] = MappingProxyType(dict(mapped))
        self._symbols = {name: symbol for symbol, name in self.mapped.items()}
        self._calls = calls
        self._named: dict[str, Contract] = {}
        self._names: dict[int, str] = {}

    def name_of(self, symbol: str) -> str | None:
        """Return the contract's name that ``symbol`` stands for, or None where it stands for none."""
        name = self.mapped.get(symbol, symbol)
        return name if NAME.fullmatch(name) else None

    def symbol_of(self, name: str) -> str:
        """Return what the user calls a contract."""
        return self._symbols.get(name, name)

    def known(self, name: str) -> Contract | None:
        """Return a contract that was read before."""
        return self._named.get(name)

    def named(self, name: str) -> Flow[Contract]:
        """Read a contract with its expiration and product, once.

        Raises:
            NotFound: there is none of this name.
            BrokerError: it could not be read.
        """
        known = self._named.get(name)
        if known is None:
            row = yield from self._calls.one("/v1/contract/find", {"name": name})
            known = yield from self._described(row, name)
            self._named[name], self._names[known.id] = known, name
        return known

    def symbol_for(self, contract_id: Any) -> Flow[str]:
        """Return what the user calls the contract with this id; ``#id`` where Tradovate shows none."""
        if not isinstance(contract_id, int):
            return "#"
        if contract_id not in self._names:
            row = yield from self._calls.one("/v1/contract/item", {"id": str(contract_id)})
            if row is None:
                return f"#{contract_id}"
            self._names[contract_id] = str(row.get("name") or f"#{contract_id}")
        return self.symbol_of(self._names[contract_id])

    def front_month(self, root: str, at: datetime) -> Flow[Contract]:
        """Return the nearest contract of a product that has not expired, of those Tradovate suggests.

        Raises:
            NotFound: it suggests none.
        """
        rows = yield from self._calls.rows("/v1/contract/suggest", {"t": root, "l": "10"})
        found = []
        for row in rows:
            name = str(row.get("name") or "")
            match = NAME.fullmatch(name)
            if match and match[1] == root:
                contract = yield from self.named(name)
                if contract.expires_at is not None and not contract.has_expired(at):
                    found.append(contract)
        if not found:
            raise NotFound(f"tradovate suggests no contract of {root} that trades")
        return min(found, key=_expiration)

    def check(self, request: OrderRequest, now: Callable[[], datetime]) -> Flow[None]:
        """Read the contract an order is for, and whether it can be sent.

        Raises:
            CapabilityMissing: there is no such contract, it has expired, or a price is between its steps.
        """
        name = self.name_of(request.symbol) or request.symbol
        try:
            contract = yield from self.named(name)
        except NotFound as error:
            objection: str | None = error.message
        else:
            objection = contract.objection(request, now())
        if objection is not None:
            raise CapabilityMissing(objection, broker="tradovate", client_order_id=request.client_order_id)

    def _described(self, row: Mapping[str, Any] | None, name: str) -> Flow[Contract]:
        contract_id = row.get("id") if row is not None else None
        if row is None or row.get("name") != name:
            raise NotFound(f"tradovate knows no contract {name!r}")
        if not isinstance(contract_id, int):
            raise BrokerError(f"tradovate showed {name} without an id", broker="tradovate")
        maturity = yield from self._linked("/v1/contractMaturity/item", row.get("contractMaturityId"))
        product = yield from self._linked("/v1/product/item", maturity.get("productId"))
        return Contract(
            id=contract_id,
            name=name,
            expires_at=instant(maturity.get("expirationDate")),
            tick_size=number(product.get("tickSize")),
            multiplier=number(product.get("valuePerPoint")),
            product=str(product.get("description") or ""),
        )

    def _linked(self, path: str, identity: Any) -> Flow[Mapping[str, Any]]:
        if not isinstance(identity, int):
            return {}
        row = yield from self._calls.one(path, {"id": str(identity)})
        return row if row is not None else {}


def _expiration(contract: Contract) -> datetime:
    if contract.expires_at is None:
        raise AssertionError("only contracts with an expiration are compared")
    return contract.expires_at
