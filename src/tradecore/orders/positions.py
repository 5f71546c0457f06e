"""Positions and trades as rows: what is held per connection, strategy and symbol, and what was made of it.

With the platform's tables a fill moves ``open_positions`` and a closed position becomes a row of ``trades``. With the
core's tables alone a position is the sum of its fills.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..models import FillRecord, Instrument, OpenPosition, OrderOrigin, OrderRecord, Strategy, Trade
from ..models.enums import PositionStatus, TradeSource
from ..trading import Direction, Side
from .netting import Holding, net

__all__ = ["PLATFORM", "apply_execution", "has_platform", "held", "live_strategy", "multiplier_of", "strategy_id_of"]

PLATFORM = "tradecore.platform"

# The usual context has 28 digits: ten before the point, if eighteen are to stand behind it.
_WIDE = Context(prec=60)


def has_platform(session: Session) -> bool:
    """Return whether the platform's tables are installed in the session's database."""
    return bool(session.info[PLATFORM])


def live_strategy(session: Session, strategy: str) -> Strategy | None:
    """Return the live strategy called ``strategy``; None where there is none, or no platform."""
    if not has_platform(session):
        return None
    return session.execute(select(Strategy).where(Strategy.symbol == strategy)).scalar_one_or_none()


def strategy_id_of(session: Session, strategy: str) -> int | None:
    """Return the id of the live strategy called ``strategy``, or None."""
    return session.execute(select(Strategy.id).where(Strategy.symbol == strategy)).scalar_one_or_none()


def multiplier_of(session: Session, symbol: str) -> Decimal:
    """Return the account currency per point and unit of a symbol: the instrument's, else 1."""
    found = session.execute(
        select(Instrument.multiplier).where(Instrument.symbol == symbol).order_by(Instrument.id).limit(1)
    ).scalar_one_or_none()
    return found if found is not None else Decimal(1)


def held(session: Session, account: str, strategy: str, symbol: str, connection_id: int | None = None) -> Decimal:
    """Return the signed units a strategy holds of a symbol in an account."""
    if has_platform(session):
        position = _open_position(session, strategy_id_of(session, strategy), connection_id, symbol)
        if position is None:
            return Decimal(0)
        return position.quantity * position.direction.sign
    rows = session.execute(
        select(OrderRecord.side, FillRecord.quantity)
        .join(FillRecord, FillRecord.order_id == OrderRecord.id)
        .where(
            OrderRecord.account == account,
            OrderRecord.strategy == strategy,
            OrderRecord.symbol == symbol,
            FillRecord.busted_at.is_(None),
        )
    )
    return sum((quantity * side.sign for side, quantity in rows if side is not None), Decimal(0))


def apply_execution(
    session: Session,
    order: OrderRecord,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    commission_cents: int,
    at: datetime,
) -> int:
    """Move the position one execution belongs to and return the P&L it realized, in cents."""
    if not has_platform(session):
        return 0
    origin = session.execute(select(OrderOrigin).where(OrderOrigin.order_id == order.id)).scalar_one_or_none()
    if origin is None or origin.strategy_id is None or order.symbol is None:
        return 0
    row = _open_position(session, origin.strategy_id, origin.broker_connection_id, order.symbol)
    before = _holding(row) if row is not None else None
    after = net(before, side, quantity, price, multiplier_of(session, order.symbol))
    if row is not None:
        _write(row, after.closed or after.holding)
        row.realized_pnl_cents = (row.realized_pnl_cents or 0) + after.realized_cents
        row.commission_cents = (row.commission_cents or 0) + commission_cents
        row.version += 1
        if after.closed is not None:
            _close(session, row, order, origin, at)
    if after.holding is not None and (row is None or after.closed is not None):
        row = OpenPosition(
            strategy_id=origin.strategy_id,
            broker_connection_id=origin.broker_connection_id,
            symbol=order.symbol,
            entry_at=at,
            entry_webhook_log_id=origin.webhook_log_id,
            status=PositionStatus.OPEN,
            realized_pnl_cents=0,
            commission_cents=commission_cents if after.closed is None else 0,
            is_test=order.is_test,
            version=1,
        )
        _write(row, after.holding)
        session.add(row)
        session.flush()
    if row is not None:
        origin.open_position_id = row.id
    return after.realized_cents


def _open_position(
    session: Session, strategy_id: int | None, connection_id: int | None, symbol: str
) -> OpenPosition | None:
    return session.execute(
        select(OpenPosition)
        .where(
            OpenPosition.strategy_id == strategy_id,
            OpenPosition.broker_connection_id == connection_id
            if connection_id is not None
            else OpenPosition.broker_connection_id.is_(None),
            OpenPosition.symbol == symbol,
            OpenPosition.status != PositionStatus.CLOSED,
        )
        .with_for_update()
    ).scalar_one_or_none()


def _holding(row: OpenPosition) -> Holding:
    return Holding(
        Direction(row.direction),
        row.quantity,
        row.average_price,
        row.exited_quantity,
        row.exited_cost,
        _WIDE.multiply(row.exit_price or Decimal(0), row.exited_quantity),
    )


def _write(row: OpenPosition, holding: Holding | None) -> None:
    if holding is None:
        return
    row.direction = holding.direction
    row.quantity = holding.quantity
    row.average_price = holding.average_price
    row.exited_quantity = holding.exited_quantity
    row.exited_cost = holding.exited_cost
    if holding.exited_quantity:
        row.exit_price = _price(_WIDE.divide(holding.exited_proceeds, holding.exited_quantity))


def _price(value: Decimal) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-18), ROUND_HALF_EVEN, _WIDE)


def _close(session: Session, row: OpenPosition, order: OrderRecord, origin: OrderOrigin, at: datetime) -> None:
    row.status = PositionStatus.CLOSED
    row.exit_at = at
    row.exit_webhook_log_id = origin.webhook_log_id
    entry_price = _price(_WIDE.divide(row.exited_cost, row.exited_quantity))
    cost = entry_price * row.exited_quantity * multiplier_of(session, row.symbol)
    percent = Decimal(row.realized_pnl_cents) / cost if cost else Decimal(0)  # cents over currency: already percent
    trade = Trade(
        strategy_id=row.strategy_id,
        broker_connection_id=row.broker_connection_id,
        direction=row.direction,
        entry_at=row.entry_at,
        exit_at=at,
        entry_price=entry_price,
        exit_price=row.exit_price,
        quantity=row.exited_quantity,
        pnl_cents=row.realized_pnl_cents,
        pnl_percent=percent.quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN),
        commission_cents=row.commission_cents or 0,
        source=TradeSource.WEBHOOK,
        is_test=order.is_test,
    )
    session.add(trade)
    session.flush()
    row.trade_id = trade.id
