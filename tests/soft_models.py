"""Models that can be deleted and stay: shelves with books and a sign, tags, loans, folders in folders, accounts."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from tradecore.db import Base, SoftDeleted, Timestamped, Versioned
from tradecore.db.soft_delete import WITH_DELETED, live_unique

THEN = datetime(2026, 1, 2, tzinfo=UTC)
SEEN = {WITH_DELETED: True}

filings = sa.Table(
    "road_filings",
    Base.metadata,
    sa.Column("book_id", ForeignKey("road_books.id", ondelete="RESTRICT"), primary_key=True),
    sa.Column("tag_id", ForeignKey("road_tags.id", ondelete="RESTRICT"), primary_key=True, index=True),
)


class Shelf(SoftDeleted, Base):
    __tablename__ = "road_shelves"

    name: Mapped[str] = mapped_column(sa.String(40))
    live: Mapped[int | None] = live_unique("name")
    books: Mapped[list[Book]] = relationship(back_populates="shelf", info={"soft_cascade": True}, order_by="Book.id")
    sign: Mapped[Sign | None] = relationship(back_populates="shelf", info={"soft_cascade": True})


class Book(SoftDeleted, Base):
    __tablename__ = "road_books"

    title: Mapped[str] = mapped_column(sa.String(40))
    shelf_id: Mapped[int] = mapped_column(ForeignKey("road_shelves.id", ondelete="RESTRICT"), index=True)
    sequel_of: Mapped[int | None] = mapped_column(ForeignKey("road_books.id", ondelete="RESTRICT"), index=True)
    shelf: Mapped[Shelf] = relationship(back_populates="books")
    tags: Mapped[list[Tag]] = relationship(secondary=filings)
    loans: Mapped[list[Loan]] = relationship(back_populates="book")


class Tag(SoftDeleted, Base):
    __tablename__ = "road_tags"

    word: Mapped[str] = mapped_column(sa.String(40))


class Sign(SoftDeleted, Base):
    __tablename__ = "road_signs"

    shelf_id: Mapped[int] = mapped_column(ForeignKey("road_shelves.id", ondelete="RESTRICT"), index=True)
    shelf: Mapped[Shelf] = relationship(back_populates="sign")


class Loan(Base):
    """An ordinary row that points to a deletable one."""

    __tablename__ = "road_loans"

    book_id: Mapped[int] = mapped_column(ForeignKey("road_books.id", ondelete="RESTRICT"), index=True)
    reader: Mapped[str] = mapped_column(sa.String(40))
    book: Mapped[Book | None] = relationship(back_populates="loans")


class Folder(SoftDeleted, Base):
    """Lies in another, which may lie in it."""

    __tablename__ = "road_folders"

    name: Mapped[str] = mapped_column(sa.String(40))
    inside: Mapped[int | None] = mapped_column(ForeignKey("road_folders.id", ondelete="CASCADE"), index=True)
    folders: Mapped[list[Folder]] = relationship(info={"soft_cascade": True})


class Account(Versioned, SoftDeleted, Timestamped, Base):
    """Everything at once."""

    __tablename__ = "road_accounts"

    owner: Mapped[str] = mapped_column(sa.String(40))


TABLES = [
    Shelf.__table__,
    Tag.__table__,
    Book.__table__,
    filings,
    Sign.__table__,
    Loan.__table__,
    Folder.__table__,
    Account.__table__,
]
LIVE, DEAD = 1, 2  # ids in every table


def fill(session: Session) -> None:
    """One live row and one deleted row of everything: the deleted ones on and of the live ones."""
    gone = {"deleted_at": THEN, "delete_batch": 7}
    session.add_all([Shelf(id=LIVE, name="live"), Shelf(id=DEAD, name="dead", **gone)])
    session.flush()
    session.add_all(
        [Book(id=LIVE, title="live", shelf_id=LIVE), Tag(id=LIVE, word="live"), Tag(id=DEAD, word="dead", **gone)]
    )
    session.flush()
    session.add_all(
        [Book(id=DEAD, title="dead", shelf_id=LIVE, sequel_of=LIVE, **gone), Sign(id=DEAD, shelf_id=LIVE, **gone)]
    )
    session.flush()
    session.add_all([Loan(id=LIVE, book_id=LIVE, reader="live"), Loan(id=DEAD, book_id=DEAD, reader="dead")])
    links = [{"book_id": LIVE, "tag_id": LIVE}, {"book_id": LIVE, "tag_id": DEAD}]
    session.execute(filings.insert(), links)
