"""broker_connections, routing_rules: where orders may go, and which signals go there."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy.orm import Mapped, mapped_column, validates

from ..audit import Audited
from ..db import Base, EnumString, ExactString, Sealed, SoftDeleted, Timestamped, Words, sealed
from ..db.constraints import at_least_zero, positive
from ..db.soft_delete import live_unique
from ..sanitize import name as checked_name
from ..trading import Direction, Environment
from .columns import Amount, Key40, Key100, Name, link, to_many, to_one
from .enums import ConnectionStatus

if TYPE_CHECKING:
    from .identity import User
    from .results import OpenPosition
    from .strategies import Strategy

__all__ = ["BrokerConnection", "RoutingRule"]


class BrokerConnection(Audited, SoftDeleted, Timestamped, Base):
    """An account at a broker. Without a user it is the house's, and its name is unique among those that live.

    What opens it at the broker is sealed: ``credentials`` are JSON, the fields its adapter takes.

    Attributes:
        name: as it was given, checked and never escaped: what shows it as HTML escapes it.
    """

    __tablename__ = "broker_connections"
    __audit_as__ = "broker_connection"
    __audit_shown__ = ("token_expires_at",)

    user_id: Mapped[int | None] = link("users", "CASCADE")
    broker: Mapped[Key40]
    name: Mapped[Key100]
    environment: Mapped[Environment] = mapped_column(EnumString(Environment), default=Environment.PAPER)
    status: Mapped[ConnectionStatus] = mapped_column(
        EnumString(ConnectionStatus), default=ConnectionStatus.DISCONNECTED
    )
    credentials: Mapped[Sealed | None] = sealed()
    access_token: Mapped[Sealed | None] = sealed()
    refresh_token: Mapped[Sealed | None] = sealed()
    token_expires_at: Mapped[datetime | None]
    account_id: Mapped[str | None] = mapped_column(ExactString(100))
    account_name: Mapped[str | None] = mapped_column(Words(100))
    account_type: Mapped[str | None] = mapped_column(Words(40))
    last_connected_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Words)
    house: Mapped[int | None] = live_unique("name", when="user_id IS NULL")

    user: Mapped[User | None] = to_one("identity.User")
    rules: Mapped[list[RoutingRule]] = to_many("connections.RoutingRule", order_by="priority")
    positions: Mapped[list[OpenPosition]] = to_many("results.OpenPosition")

    @validates("name")
    def _checked(self, key: str, value: str) -> str:
        return checked_name(value, field=key)


class RoutingRule(Audited, SoftDeleted, Timestamped, Base):
    """Which signals become orders at a connection: of one strategy or of any, in one direction or both."""

    __tablename__ = "routing_rules"
    __audit_as__ = "routing_rule"
    __table_args__ = (
        *positive("quantity_multiplier", "max_position_size"),
        *at_least_zero("max_daily_loss_cents", whole=True),
    )

    user_id: Mapped[int | None] = link("users", "CASCADE")
    strategy_id: Mapped[int | None] = link("strategies", "CASCADE")
    broker_connection_id: Mapped[int] = link("broker_connections", "CASCADE")
    name: Mapped[Name] = mapped_column(default="")
    direction: Mapped[Direction | None] = mapped_column(EnumString(Direction))
    enabled: Mapped[bool] = mapped_column(default=True)
    auto_execute: Mapped[bool] = mapped_column(default=True)
    quantity_multiplier: Mapped[Decimal] = mapped_column(default=Decimal(1))
    max_position_size: Mapped[Decimal | None]
    max_daily_loss_cents: Mapped[Amount | None]
    priority: Mapped[int] = mapped_column(default=0)

    user: Mapped[User | None] = to_one("identity.User")
    strategy: Mapped[Strategy | None] = to_one("strategies.Strategy")
    connection: Mapped[BrokerConnection] = to_one("connections.BrokerConnection")
