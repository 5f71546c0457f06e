"""Models with sealed columns, bound in each way there is, and a ring to seal them with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Integer, String, select, type_coerce
from sqlalchemy.orm import Mapped, Session, mapped_column

from tradecore.crypto import Key, Keyring
from tradecore.db import Base, Database, ExactString, Sealed, SoftDeleted, Timestamped, Versioned, sealed
from tradecore.db.base import Root
from tradecore.db.soft_delete import WITH_DELETED

SECRET = "s3cr3t-PLANTED-värde-4711"


class Credential(Versioned, SoftDeleted, Timestamped, Base):
    """Bound to its primary key; the account is found by a blind index."""

    __tablename__ = "sealed_credentials"

    name: Mapped[str] = mapped_column(String(40))
    secret: Mapped[Sealed] = sealed(context="credential")
    account: Mapped[Sealed | None] = sealed(context="credential", index="account_index")
    account_index: Mapped[str | None] = mapped_column(ExactString(23), index=True)


class Token(Base):
    """Bound to a name that is unique and never changes, so that upserts can seal it."""

    __tablename__ = "sealed_tokens"

    name: Mapped[str] = mapped_column(ExactString(40), unique=True)
    value: Mapped[Sealed | None] = sealed(bind="name", index="value_index")
    value_index: Mapped[str | None] = mapped_column(ExactString(23))


class Loosely(Base):
    """Found by a word, and bound to its primary key."""

    __tablename__ = "sealed_loosely"

    word: Mapped[str] = mapped_column(ExactString(40), unique=True)
    value: Mapped[Sealed | None] = sealed()


class Numbered(Root):
    """Its id is the database's, so that nothing is known of it before it is inserted."""

    __tablename__ = "sealed_numbered"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    bound: Mapped[Sealed | None] = sealed()
    loose: Mapped[Sealed | None] = sealed(bind=None)


KINDS = (Credential, Token, Loosely, Numbered)
TABLES: list[Any] = [kind.__table__ for kind in KINDS]


def ring_of_one() -> Keyring:
    return Keyring([Key.generate("primary")])


@contextmanager
def sealed_database(url: str, ring: Keyring | None, **options: Any) -> Iterator[Database]:
    """Yield a database with the tables of this module."""
    with Database(url, keyring=ring, **options) as db:
        Root.metadata.create_all(db.engine, tables=TABLES)
        yield db


def planted(session: Session, **more: Any) -> Credential:
    """Add a row with a secret."""
    row = Credential(name="a", secret=Sealed(SECRET), **more)
    session.add(row)
    session.flush()
    return row


def tokens(session: Session, attribute: Any) -> list[str | None]:
    """What the table holds, whatever the model would say, by the primary key."""
    column = attribute.__clause_element__()
    key = next(iter(column.table.primary_key))
    asked = select(type_coerce(column.table.c[column.name], String)).order_by(key)
    return list(session.connection().execute(asked, execution_options={WITH_DELETED: True}).scalars())
