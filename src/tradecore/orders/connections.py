"""What an account's connection row says: connected, or stopped because the broker does not take its credentials."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit import record as audit
from ..db import now
from ..hooks import ConnectionStopped
from ..models import BrokerConnection
from ..models.enums import ConnectionStatus
from ._journal import tell
from .positions import has_platform

__all__ = ["connection_of", "mark_connected", "stop_connection"]


def connection_of(session: Session, account: str) -> BrokerConnection | None:
    """Return the live connection of an account: the house's by its name, a user's by ``broker:id``."""
    if not has_platform(session):
        return None
    live = select(BrokerConnection)
    _, _, number = account.rpartition(":")
    if ":" in account and number.isdecimal():
        return session.execute(live.where(BrokerConnection.id == int(number))).scalar_one_or_none()
    house = live.where(BrokerConnection.name == account, BrokerConnection.user_id.is_(None))
    return session.execute(house).scalar_one_or_none()


def stop_connection(session: Session, account: str, reason: str) -> None:
    """Say that the broker refuses the account's credentials; its intents wait until their send_by."""
    connection = connection_of(session, account)
    if connection is not None and connection.status is not ConnectionStatus.ERROR:
        connection.status = ConnectionStatus.ERROR
        connection.last_error = reason[:1_000]
        audit(
            session,
            action="broker_connection.stopped",
            resource_type="broker_connection",
            resource_id=account,
            outcome="failure",
            reason=reason,
        )
    tell(session, ConnectionStopped(account=account, reason=reason))


def mark_connected(session: Session, account: str) -> None:
    """Say that the broker answers this account; written only where the row said otherwise."""
    connection = connection_of(session, account)
    if connection is not None and connection.status is not ConnectionStatus.CONNECTED:
        connection.status = ConnectionStatus.CONNECTED
        connection.last_connected_at = now(session)
        connection.last_error = None
