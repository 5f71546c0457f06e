"""What an account's connection row says: how it opens at the broker, and whether it is connected or stopped.

:func:`broker_of` is the one place where the credentials of a connection are opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit import record as audit
from ..brokers import Broker
from ..db import Sealed, now
from ..errors import ConfigurationError
from ..hooks import ConnectionStopped
from ..models import BrokerConnection
from ..models.enums import ConnectionStatus
from ..trading import Environment
from ._journal import tell
from .positions import has_platform

__all__ = ["account_of", "broker_of", "connection_of", "keep_credentials", "mark_connected", "stop_connection"]


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


def account_of(connection: BrokerConnection) -> str:
    """Return the account's name: the house's is the connection's own, a user's is ``broker:id``."""
    return connection.name if connection.user_id is None else f"{connection.broker}:{connection.id}"


def keep_credentials(connection: BrokerConnection, fields: Mapping[str, str]) -> None:
    """Put what opens the account at the broker into a box; it is sealed when the row is written.

    Args:
        connection: the row, in a session or not yet.
        fields: what the broker's adapter takes, such as ``{"key": ..., "secret": ...}``.

    Raises:
        TypeError: if names and values are not all text.
    """
    if not fields or not all(isinstance(part, str) for pair in fields.items() for part in pair):
        raise TypeError("credentials are named texts, such as key and secret")
    connection.credentials = Sealed(json.dumps(dict(fields), ensure_ascii=False))


def broker_of(connection: BrokerConnection, *, live: bool = False) -> Broker:
    """Return the adapter of a connection, with its credentials; the one place where they are opened.

    Args:
        connection: the row, read through a Database that has the ring.
        live: trade real money, said aloud in code: a row that says so is not enough.

    Raises:
        KeyMissing, DecryptionFailed: as :meth:`~tradecore.db.Sealed.open`.
        ConfigurationError: there are no credentials, no such broker is installed, it does not take these fields, or
            the connection is live and ``live`` was not said.
    """
    name = f"connection {account_of(connection)}"
    if (connection.environment is Environment.LIVE) is not live:
        said = "trades real money: say live=True" if not live else "is a paper account: leave live=True out"
        raise ConfigurationError(f"{name} {said}")
    found = {point.name: point for point in entry_points(group="tradecore.brokers")}
    if connection.broker not in found:
        raise ConfigurationError(
            f"{name}: no broker is called {connection.broker!r} (known: {', '.join(sorted(found))})"
        )
    if connection.credentials is None:
        raise ConfigurationError(f"{name} has no credentials: keep_credentials() puts them there")
    make: Any = found[connection.broker].load()
    fields = _fields(connection.credentials.open())
    broker: Broker | None = None
    if fields is not None:
        with suppress(TypeError):
            broker = make(**fields, live=live, account=account_of(connection))
    if broker is None:
        raise ConfigurationError(f"{name}: {connection.broker} does not take credentials with these fields")
    return broker


def _fields(text: str) -> dict[str, str] | None:
    try:
        fields = json.loads(text)
    except ValueError:  # which holds the text, and must be nobody's context
        return None
    right = isinstance(fields, dict) and all(isinstance(value, str) for value in fields.values())
    return fields if right else None
