"""What Tradovate keeps, put together: an order is told by five entities, and our id stands on one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ...errors import DuplicateOrder
from ...flow import Flow
from ...trading import Fill, Order, OrderStatus, Position
from ..protocol import Listing
from ..reading import instant, number
from .calls import Calls
from .contracts import Contracts
from .tables import FAILED_COMMANDS
from .wire import Dossier, fill_from, order_from, position_from, whole

__all__ = ["Books"]

# Its clock is not ours, and rows may be booked late: ask for more and dedupe.
FILLS_MARGIN = timedelta(seconds=60)
TOLD_BY_REPORTS = ("Rejected", "Completed")
Row = Mapping[str, Any]


class Books:
    """Reads orders, fills and positions of the current session; what is older is archived, and never shown.

    Args:
        calls: reads from Tradovate.
        contracts: what contracts are called.
        statuses: status words.
    """

    def __init__(self, calls: Calls, contracts: Contracts, statuses: Mapping[str, OrderStatus]) -> None:
        """Keep what every look needs."""
        self._calls = calls
        self._contracts = contracts
        self._statuses = statuses

    # --- orders

    def by_id(self, order_id: int) -> Flow[Order | None]:
        """Return the order with this id, or None where Tradovate shows none."""
        row = yield from self._calls.one("/v1/order/item", {"id": str(order_id)})
        if row is None:
            return None
        (dossier,) = yield from self._dossiers([row])
        return (yield from self._order(dossier))

    def named(self, account_id: int, client_order_id: str) -> Flow[Order | None]:
        """Return the order that was made, or changed, under our id; None where none shows.

        Raises:
            DuplicateOrder: two orders were made under it.
        """
        rows = {row["id"]: row for row in (yield from self._rows(account_id))}
        commands = yield from self._calls.dependents("command", rows)
        ours = {
            row.get("orderId")
            for row in commands
            if row.get("clOrdId") == client_order_id and row.get("commandType") in ("New", "Modify")
        }
        if not ours:
            versions = yield from self._calls.dependents("orderVersion", rows)
            ours = {row.get("orderId") for row in versions if row.get("text") == client_order_id}
        known = [identity for identity in rows if identity in ours]
        if not known:
            return None
        if len(known) > 1:
            raise DuplicateOrder(
                f"tradovate has {len(known)} orders under the id {client_order_id}",
                broker="tradovate",
                client_order_id=client_order_id,
                details=[{"code": "TWICE", "broker_order_id": str(identity)} for identity in known],
            )
        (dossier,) = yield from self._dossiers([rows[known[0]]])
        order = yield from self._order(dossier)
        return self._as_changed(dossier, order, client_order_id)

    @staticmethod
    def _as_changed(dossier: Dossier, order: Order, client_order_id: str) -> Order:
        """Return the order under the id of its change; rejected, where the change was: the order itself stands."""
        change = dossier.change_named(client_order_id)
        if change is None:
            return order if order.client_order_id else order.model_copy(update={"client_order_id": client_order_id})
        # Carried out, queued or refused: what the change asked for is what stands under its id.
        command, version = change
        update: dict[str, Any] = {
            "client_order_id": client_order_id,
            "quantity": number(version.get("orderQty")),
            "limit_price": number(version.get("price")),
            "stop_price": number(version.get("stopPrice")),
        }
        if str(command.get("commandStatus")) in FAILED_COMMANDS:
            update |= {"status": OrderStatus.REJECTED, "reason": f"the change was {command['commandStatus']}"}
        return order.model_copy(update=update)

    def listed(
        self, account_id: int, status: Listing, after: datetime | None, limit: int | None
    ) -> Flow[tuple[Order, ...]]:
        """Return orders, oldest first; with ``limit`` and no ``after`` the newest ones."""
        rows = yield from self._rows(account_id)
        if status != "all":
            rows = [row for row in rows if self._is_open(row) == (status == "open")]
        if after is not None:
            rows = [row for row in rows if _age(row)[0] > after]
        rows.sort(key=_age)
        if limit is not None:
            rows = rows[-limit:] if after is None else rows[:limit]
        dossiers = yield from self._dossiers(rows)
        found: list[Order] = []
        for dossier in dossiers:
            order = yield from self._order(dossier)
            found.append(order)
        return tuple(found)

    def _is_open(self, row: Row) -> bool:
        word = row.get("ordStatus")
        status = self._statuses.get(word) if isinstance(word, str) else None
        return status is None or status.is_open

    def _rows(self, account_id: int) -> Flow[list[Row]]:
        rows = yield from self._calls.rows("/v1/order/deps", {"masterid": str(account_id)})
        return [row for row in rows if row.get("accountId") == account_id and whole(row.get("id")) is not None]

    def _dossiers(self, rows: Sequence[Row]) -> Flow[list[Dossier]]:
        ids = [identity for row in rows if (identity := whole(row.get("id"))) is not None]
        versions = _grouped((yield from self._calls.dependents("orderVersion", ids)))
        commands = _grouped((yield from self._calls.dependents("command", ids)))
        fills = _grouped((yield from self._calls.dependents("fill", ids)))
        told = [row.get("id") for row in rows if row.get("ordStatus") in TOLD_BY_REPORTS]
        news: dict[int | None, Any] = {
            identity: row["orderId"]
            for order_id in told
            for row in commands.get(order_id, ())
            if row.get("commandType") == "New" and (identity := whole(row.get("id"))) is not None
        }
        reports: dict[Any, list[Row]] = defaultdict(list)
        for entity in ("commandReport", "executionReport") if news else ():
            for row in (yield from self._calls.dependents(entity, filter(None, news))):
                reports[news.get(row.get("commandId"))].append(row)
        return [
            Dossier(
                row,
                versions.get(row.get("id"), ()),
                commands.get(row.get("id"), ()),
                fills.get(row.get("id"), ()),
                tuple(reports.get(row.get("id"), ())),
            )
            for row in rows
        ]

    def _order(self, dossier: Dossier) -> Flow[Order]:
        symbol = yield from self._contracts.symbol_for(dossier.order.get("contractId"))
        return order_from(dossier, symbol, self._statuses, "tradovate")

    # --- fills and positions

    def fills(self, account_id: int, since: datetime) -> Flow[tuple[Fill, ...]]:
        """Return executions since an instant, oldest first, each once, with what they cost."""
        orders = yield from self._rows(account_id)
        rows = yield from self._calls.dependents("fill", [row["id"] for row in orders])
        earliest = since - FILLS_MARGIN
        wanted = {
            row.get("id"): row
            for row in rows
            if row.get("active") is not False and (instant(row.get("timestamp")) or since) >= earliest
        }
        costs = _grouped(
            (yield from self._calls.dependents("fillFee", filter(None, map(whole, wanted)))), ("fillId", "id")
        )
        found = []
        for row in wanted.values():
            symbol = yield from self._contracts.symbol_for(row.get("contractId"))
            found.append(fill_from(row, symbol, costs.get(row.get("id"), ())))
        return tuple(sorted(found, key=lambda fill: (fill.filled_at, int(fill.execution_id))))

    def positions(self, account_id: int) -> Flow[tuple[Position, ...]]:
        """Return what the account holds; flat positions stay listed there, and are left out."""
        rows = yield from self._calls.rows("/v1/position/list", {})
        found = []
        for row in rows:
            if row.get("accountId") == account_id and number(row.get("netPos")) != 0:
                symbol = yield from self._contracts.symbol_for(row.get("contractId"))
                found.append(position_from(row, symbol))
        return tuple(found)


def _grouped(rows: Iterable[Row], names: Sequence[str] = ("orderId",)) -> dict[Any, list[Row]]:
    """Return rows by their master, each once."""
    groups: dict[Any, dict[Any, Row]] = defaultdict(dict)
    for row in rows:
        master = next((row[name] for name in names if isinstance(row.get(name), int)), None)
        groups[master][row.get("id")] = row
    return {master: list(group.values()) for master, group in groups.items()}


def _age(row: Row) -> tuple[datetime, int]:
    return instant(row.get("timestamp")) or datetime.min.replace(tzinfo=UTC), whole(row.get("id")) or 0
