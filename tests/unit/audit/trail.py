"""A log to seal, tamper with and verify: databases with a ring, events, and the roads an attacker takes."""

from __future__ import annotations

from contextlib import contextmanager

from sqlalchemy import event, text

from tradecore.audit import (
    AuditCheckpoint,
    AuditEntry,
    AuditLeaf,
    AuditSeal,
    enforce,
    record,
    seal,
    verify,
)
from tradecore.audit.append_only import lift
from tradecore.context import bind
from tradecore.crypto import Key, Keyring
from tradecore.db import Base, Database, Lease

TABLES = [model.__table__ for model in (AuditEntry, AuditLeaf, AuditSeal, AuditCheckpoint, Lease)]
RING = Keyring([Key.generate("primary")])


class KeyedDatabase(Database):
    """A Database whose sessions carry a ring."""

    def __init__(self, url, **options):
        super().__init__(url, **{"keyring": RING, **options})


def made(db, *tables):
    """Make the log's tables and triggers in an empty database: what a migration does takes longer. Return it."""
    Base.metadata.create_all(db.engine, tables=[*TABLES, *tables])
    with db.engine.begin() as connection:
        enforce(connection)
    return db


def write(session, number=1, *, action="order.canceled", **more):
    for one in range(number):
        record(session, action=action, resource_type="order", resource_id=one, new={"n": one, "price": "1.50"}, **more)


def write_personal(session, number=1):
    with bind(actor_type="user", actor_id="u-1", ip_address="203.0.113.9", user_agent="Mozilla"):
        for one in range(number):
            new = {"n": one, "email": "ann@example.com"}
            record(session, action="user.changed", resource_type="user", resource_id=7, new=new, personal=["email"])


def sealed(db, batches=3, events=4):
    """Write and seal so many batches."""
    for _ in range(batches):
        db.run(write, events)
        assert seal(db) is not None


@contextmanager
def tampering(db):
    """A connection of somebody who owns the database and has taken the triggers away."""
    with db.engine.begin() as connection:
        lift(connection)
        yield connection


def sql(connection, words, **values):
    return connection.execute(text(words), values)


def found(db, **options):
    """Return the kinds of faults that a verification names."""
    report = db.run(verify, **options)
    return {fault.kind.value for fault in report.faults}, report


def count_statements(engine, wanted):
    """Return a list that grows with every statement in which ``wanted`` stands."""
    seen = []

    @event.listens_for(engine, "before_cursor_execute")
    def look(connection, cursor, statement, *rest):
        if wanted in statement:
            seen.append(statement)

    return seen
