"""paper_accounts, paper_positions, paper_trades: trading with money that is not there."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, EnumString, Timestamped
from ..db.constraints import at_least_zero, in_order, positive
from ..trading import Direction, Side
from .columns import Amount, Name, SymbolKey, link, to_many, to_one
from .enums import PositionStatus

if TYPE_CHECKING:
    from .identity import User

__all__ = ["PaperAccount", "PaperPosition", "PaperTrade"]


class PaperAccount(Timestamped, Base):
    """A user's practice account. Its balance may fall below zero: margin is not there either."""

    __tablename__ = "paper_accounts"
    __table_args__ = (*at_least_zero("starting_balance_cents", whole=True),)

    user_id: Mapped[int] = link("users", "CASCADE")
    name: Mapped[Name] = mapped_column(default="")
    starting_balance_cents: Mapped[Amount]
    balance_cents: Mapped[Amount]
    realized_pnl_cents: Mapped[Amount] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)

    user: Mapped[User] = to_one("identity.User")
    positions: Mapped[list[PaperPosition]] = to_many("paper.PaperPosition")
    trades: Mapped[list[PaperTrade]] = to_many("paper.PaperTrade")


class PaperPosition(Timestamped, Base):
    """What a practice account holds of a symbol."""

    __tablename__ = "paper_positions"
    __table_args__ = (
        Index(None, "paper_account_id", "status"),
        *at_least_zero("quantity", "average_price", "exit_price"),
        *in_order("opened_at", "closed_at", equal=True),
    )

    paper_account_id: Mapped[int] = link("paper_accounts", "CASCADE", served=True)
    symbol: Mapped[SymbolKey]
    direction: Mapped[Direction] = mapped_column(EnumString(Direction))
    quantity: Mapped[Decimal]
    average_price: Mapped[Decimal]
    exit_price: Mapped[Decimal | None]
    realized_pnl_cents: Mapped[Amount] = mapped_column(default=0)
    status: Mapped[PositionStatus] = mapped_column(EnumString(PositionStatus), default=PositionStatus.OPEN)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    account: Mapped[PaperAccount] = to_one("paper.PaperAccount")
    trades: Mapped[list[PaperTrade]] = to_many("paper.PaperTrade")


class PaperTrade(Timestamped, Base):
    """One execution in a practice account."""

    __tablename__ = "paper_trades"
    __table_args__ = (
        Index(None, "paper_account_id", "executed_at"),
        *positive("quantity"),
        *at_least_zero("price"),
    )

    paper_account_id: Mapped[int] = link("paper_accounts", "CASCADE", served=True)
    paper_position_id: Mapped[int | None] = link("paper_positions", "SET NULL")
    symbol: Mapped[SymbolKey]
    side: Mapped[Side] = mapped_column(EnumString(Side))
    quantity: Mapped[Decimal]
    price: Mapped[Decimal]
    pnl_cents: Mapped[Amount] = mapped_column(default=0)
    commission_cents: Mapped[Amount] = mapped_column(default=0)
    executed_at: Mapped[datetime]

    account: Mapped[PaperAccount] = to_one("paper.PaperAccount")
    position: Mapped[PaperPosition | None] = to_one("paper.PaperPosition")
