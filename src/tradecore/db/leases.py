"""Leases: who may do a thing until when, with a token that rises each time so that a late holder can be told off."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.types import BigInteger

from ..errors import SerializationConflict
from .base import Root
from .moment import now
from .timeline import EPOCH
from .types import ExactString, UtcDateTime

__all__ = ["Lease", "acquire", "acquire_at", "one_at_a_time", "release", "renew"]


LONGEST = 200  # characters of a name


class Lease(Root):
    """One name and its holder. Rows are never deleted: the token must keep rising."""

    # Named by what it leases, without an id of its own: the mint of ids itself stands on a lease.
    __tablename__ = "tc_leases"

    name: Mapped[str] = mapped_column(ExactString(LONGEST), primary_key=True)
    holder: Mapped[str] = mapped_column(ExactString(100))
    token: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())


def acquire(session: Session, name: str, holder: str, ttl: float) -> int | None:
    """Take the lease ``name`` for ``ttl`` seconds of :func:`~tradecore.db.now`.

    Whoever holds it already, even under the same holder's name, keeps it until it ends.

    Returns:
        The token, greater than every earlier one of this name, or None if it is held.
    """
    return acquire_at(session, name, holder, ttl, now(session))


def acquire_at(session: Session, name: str, holder: str, ttl: float, moment: datetime) -> int | None:
    """Take the lease as of ``moment``; see :func:`acquire`."""
    ends = moment + timedelta(seconds=ttl)
    found = session.execute(
        select(Lease.token, Lease.expires_at).where(Lease.name == name).with_for_update()
    ).one_or_none()
    if found is None:
        try:
            with session.begin_nested():
                session.add(Lease(name=name, holder=holder, token=1, expires_at=ends))
                session.flush()
        except IntegrityError:
            return None  # somebody else was first
        return 1
    token, expires_at = found
    if expires_at > moment:
        return None
    session.execute(
        update(Lease)
        .where(Lease.name == name)
        .values(holder=holder, token=token + 1, expires_at=ends)
        .execution_options(synchronize_session=False)
    )
    return int(token) + 1


def renew(session: Session, name: str, token: int, ttl: float) -> bool:
    """Prolong the lease to ``ttl`` seconds from now; False if it ran out or another token holds it."""
    moment = now(session)
    return _change(session, name, token, moment, moment + timedelta(seconds=ttl))


def release(session: Session, name: str, token: int) -> bool:
    """Give the lease back; False if it had run out or another token holds it."""
    moment = now(session)
    return _change(session, name, token, moment, moment)


def one_at_a_time(session: Session, key: str) -> None:
    """Let the units that name the same ``key`` take effect one after the other, as if each had begun after the last.

    Whoever comes second waits for the first and, since what it read may be old, is run again. For decisions that rest
    on what was read rather than on a row that is changed, such as a sum below a limit. SQLite does so by itself.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    name = f"one/{key}"
    if len(name) > LONGEST:
        name = f"one/{hashlib.sha256(key.encode()).hexdigest()}"
    counted = update(Lease).where(Lease.name == name).values(token=Lease.token + 1)
    if session.execute(counted.execution_options(synchronize_session=False)).rowcount:  # type: ignore[attr-defined]
        return
    try:
        with session.begin_nested():
            session.add(Lease(name=name, holder="", token=1, expires_at=EPOCH))
            session.flush()
    except IntegrityError:
        raise SerializationConflict from None  # somebody else named the key for the first time, and is over


def _change(session: Session, name: str, token: int, moment: datetime, ends: datetime) -> bool:
    changed = session.execute(
        update(Lease)
        .where(Lease.name == name, Lease.token == token, Lease.expires_at > moment)
        .values(expires_at=ends)
        .execution_options(synchronize_session=False)
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]
