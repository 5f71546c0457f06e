"""What checkers see of keys, boxes, sealed columns and rotations; in both colours."""

from __future__ import annotations

from typing import assert_type

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Mapped, Session

from tradecore import AsyncTradeCore, TradeCore
from tradecore.brokers import Broker
from tradecore.crypto import EnvironmentProvider, Key, KeyProvider, Keyring, KeyState, blind_index
from tradecore.db import AsyncDatabase, Base, Database, Sealed, sealed, sealed_equals
from tradecore.db.rotation import AsyncRotation, Proof, Rotation, RotationReport, Verified
from tradecore.models import BrokerConnection
from tradecore.orders.connections import broker_of, keep_credentials


class Access(Base):
    __tablename__ = "typed_accesses"

    secret: Mapped[Sealed] = sealed(context="access")
    account: Mapped[Sealed | None] = sealed(index="account_index")
    account_index: Mapped[str | None]


class Vault:
    def wrap(self, secret: bytes) -> bytes:
        return secret

    def unwrap(self, wrapped: bytes) -> bytes:
        return wrapped


def rings(text: str) -> Keyring:
    providers: list[KeyProvider] = [Vault(), EnvironmentProvider()]
    ring = Keyring.from_text(text, provider=providers[0])
    assert_type(ring.primary, Key)
    assert_type(ring.primary.state, KeyState)
    assert_type(ring.seal(b"s3cret", ("table", "column", "7")), str)
    assert_type(ring.open("tc1.", ("table", "column", "7")), bytes)
    assert_type(ring.subkey("audit", "context", key_id=ring.primary.id), bytes)
    assert_type(blind_index(ring, "ACC-1", "table", "column"), str)
    return Keyring.from_env()


def boxes(session: Session, ring: Keyring) -> None:
    row = Access(secret=Sealed("s3cret"))
    assert_type(row.secret, Sealed)
    assert_type(row.account, Sealed | None)
    assert_type(row.secret.open(), str)
    assert_type(row.secret.key_id, str | None)
    row.account = None
    found: ColumnElement[bool] = sealed_equals(Access.account, "ACC-1", ring)
    assert found is not None
    session.add(row)


def rotations(ring: Keyring) -> None:
    db = Database("sqlite://", keyring=ring)
    assert_type(db.keyring, Keyring | None)
    report = Rotation(db, batch=100).run(lambda batch: print(batch.turned))
    assert_type(report, RotationReport)
    assert_type(report.proof, Proof)
    assert_type(report.proof.holds, bool)
    assert_type(Rotation(db, base=Base).verify(), Verified)
    assert_type(TradeCore(db, keyring=ring).keyring, Keyring | None)


async def async_rotations(ring: Keyring) -> None:
    db = AsyncDatabase("sqlite://", keyring=ring)
    assert_type(await AsyncRotation(db).run(), RotationReport)
    assert_type(await AsyncRotation(db).proof(scan=True), Proof)
    assert_type(AsyncTradeCore(db, keyring=ring).keyring, Keyring | None)


def connections(connection: BrokerConnection) -> None:
    keep_credentials(connection, {"key": "k", "secret": "s"})
    assert_type(connection.credentials, Sealed | None)
    assert_type(broker_of(connection, live=True), Broker)
