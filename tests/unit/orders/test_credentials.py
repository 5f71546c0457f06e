"""Credentials of connections: sealed in the row, opened in one place, and shown nowhere."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from tradecore import TradeCore
from tradecore.brokers import Alpaca
from tradecore.crypto import Key, Keyring
from tradecore.db import Database, Sealed
from tradecore.errors import ConfigurationError, DecryptionFailed, KeyMissing
from tradecore.models import BrokerConnection, User, migrations
from tradecore.orders.connections import account_of, broker_of, keep_credentials
from tradecore.trading import Environment

FIELDS = {"key": "PKPLANTED4711", "secret": "s3cr3t-PLANTED-4711"}
RING = Keyring([Key.generate("primary")])


@pytest.fixture
def db(sqlite_url):
    with Database(sqlite_url, keyring=RING) as db:
        migrations.upgrade(db)
        yield db


def kept(db, **changes):
    def unit(session):
        row = BrokerConnection(**{"broker": "alpaca", "name": "house", **changes})
        session.add(row)
        keep_credentials(row, FIELDS)
        session.flush()
        return row.id

    return db.run(unit)


def test_a_connections_credentials_make_its_adapter(db):
    key = kept(db)
    with db.read() as session:
        row = session.get(BrokerConnection, key)
        broker = broker_of(row)
    assert isinstance(broker, Alpaca)
    assert (broker.account, broker.environment) == ("house", Environment.PAPER)
    assert broker._credentials.headers() == {
        "apca-api-key-id": FIELDS["key"],
        "apca-api-secret-key": FIELDS["secret"],
    }
    assert not any(value in repr(vars(broker)) + repr(row.credentials) for value in FIELDS.values())


def test_a_users_account_is_called_by_its_number(db):
    db.run(lambda session: session.add(User(email="ada@example.org")))
    key = kept(db, user_id=db.run(lambda session: session.execute(select(User.id)).scalar_one()))
    with db.read() as session:
        row = session.get(BrokerConnection, key)
        assert account_of(row) == broker_of(row).account == f"alpaca:{key}"


def test_real_money_is_said_aloud(db):
    key = kept(db, environment=Environment.LIVE)
    with db.read() as session:
        row = session.get(BrokerConnection, key)
        with pytest.raises(ConfigurationError, match="say live=True"):
            broker_of(row)
        assert broker_of(row, live=True).environment is Environment.LIVE
    key = kept(db, name="paper")
    with db.read() as session, pytest.raises(ConfigurationError, match="is a paper account"):
        broker_of(session.get(BrokerConnection, key), live=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json " + FIELDS["secret"],
        "[]",
        '{"key": 7}',
        json.dumps({**FIELDS, "live": "yes"}),
        '{"key": "only"}',
        "NaN",
    ],
)
def test_credentials_that_are_none_are_refused_without_being_repeated(db, text):
    key = kept(db)
    db.run(lambda session: setattr(session.get(BrokerConnection, key), "credentials", Sealed(text)))
    with db.read() as session, pytest.raises(ConfigurationError) as caught:
        broker_of(session.get(BrokerConnection, key))
    error: BaseException | None = caught.value
    assert "alpaca does not take credentials with these fields" in str(error)
    while error is not None:
        assert FIELDS["secret"] not in repr(error) + str(error)
        assert FIELDS["secret"] not in str(vars(error))
        error = error.__cause__ or error.__context__


def test_what_is_missing_is_said(db):
    for fields in ({}, {"key": None}, {7: "x"}):
        with pytest.raises(TypeError, match="named texts"):
            keep_credentials(BrokerConnection(broker="alpaca", name="x"), fields)
    with pytest.raises(ConfigurationError, match="has no credentials"):
        broker_of(BrokerConnection(broker="alpaca", name="x", environment=Environment.PAPER))
    with pytest.raises(ConfigurationError, match="no broker is called 'nobody'"):
        broker_of(BrokerConnection(broker="nobody", name="x", environment=Environment.PAPER))
    key = kept(db)
    with Database(db.url, keyring=Keyring([Key.generate("primary")])) as stranger, stranger.read() as session:
        row = session.get(BrokerConnection, key)
    with pytest.raises(KeyMissing, match=RING.primary.id):
        broker_of(row)
    other = kept(db, name="other")
    with db.transaction() as session:
        rows = session.execute(select(BrokerConnection)).scalars().all()
        moved = {row.id: row.credentials._token for row in rows}
        connection = session.connection().connection.cursor()
        connection.execute("UPDATE broker_connections SET credentials = ? WHERE id = ?", (moved[other], key))
    with db.read() as session, pytest.raises(DecryptionFailed):
        broker_of(session.get(BrokerConnection, key))


def test_a_core_hands_its_ring_to_its_database_and_takes_no_second_one(sqlite_url):
    with TradeCore(sqlite_url, keyring=RING, worker=False, setup_schema=True) as core:
        assert core.keyring is core.db.keyring is RING
    with Database(sqlite_url, keyring=RING) as db:
        assert TradeCore(db, worker=False).keyring is RING
        assert TradeCore(db, keyring=RING, worker=False).keyring is RING
        with pytest.raises(ConfigurationError, match="the ring belongs to the Database"):
            TradeCore(db, keyring=Keyring([Key.generate("primary")]), worker=False)
