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


class RoadShelf(SoftDeleted, Base):
    __tablename__ = "road_shelves"

    name: Mapped[str] = mapped_column(sa.String(40))
    live: Mapped[int | None] = live_unique("name")
    books: Mapped[list[RoadBook]] = relationship(
        back_populates="shelf", info={"soft_cascade": True}, order_by="RoadBook.id"
    )
    sign: Mapped[RoadSign | None] = relationship(back_populates="shelf", info={"soft_cascade": True})


class RoadBook(SoftDeleted, Base):
    __tablename__ = "road_books"

    title: Mapped[str] = mapped_column(sa.String(40))
    shelf_id: Mapped[int] = mapped_column(ForeignKey("road_shelves.id", ondelete="RESTRICT"), index=True)
    sequel_of: Mapped[int | None] = mapped_column(ForeignKey("road_books.id", ondelete="RESTRICT"), index=True)
    shelf: Mapped[RoadShelf] = relationship(back_populates="books")
    tags: Mapped[list[RoadTag]] = relationship(secondary=filings)
    loans: Mapped[list[RoadLoan]] = relationship(back_populates="book")


class RoadTag(SoftDeleted, Base):
    __tablename__ = "road_tags"

    word: Mapped[str] = mapped_column(sa.String(40))


class RoadSign(SoftDeleted, Base):
    __tablename__ = "road_signs"

    shelf_id: Mapped[int] = mapped_column(ForeignKey("road_shelves.id", ondelete="RESTRICT"), index=True)
    shelf: Mapped[RoadShelf] = relationship(back_populates="sign")


class RoadLoan(Base):
    """An ordinary row that points to a deletable one."""

    __tablename__ = "road_loans"

    book_id: Mapped[int] = mapped_column(ForeignKey("road_books.id", ondelete="RESTRICT"), index=True)
    reader: Mapped[str] = mapped_column(sa.String(40))
    book: Mapped[RoadBook | None] = relationship(back_populates="loans")


class RoadFolder(SoftDeleted, Base):
    """Lies in another, which may lie in it."""

    __tablename__ = "road_folders"

    name: Mapped[str] = mapped_column(sa.String(40))
    inside: Mapped[int | None] = mapped_column(ForeignKey("road_folders.id", ondelete="CASCADE"), index=True)
    folders: Mapped[list[RoadFolder]] = relationship(info={"soft_cascade": True})


class RoadAccount(Versioned, SoftDeleted, Timestamped, Base):
    """Everything at once."""

    __tablename__ = "road_accounts"

    owner: Mapped[str] = mapped_column(sa.String(40))


TABLES = [
    RoadShelf.__table__,
    RoadTag.__table__,
    RoadBook.__table__,
    filings,
    RoadSign.__table__,
    RoadLoan.__table__,
    RoadFolder.__table__,
    RoadAccount.__table__,
]
LIVE, DEAD = 1, 2  # ids in every table


def fill(session: Session) -> None:
    """One live row and one deleted row of everything: the deleted ones on and of the live ones."""
    gone = {"deleted_at": THEN, "delete_batch": 7}
    session.add_all([RoadShelf(id=LIVE, name="live"), RoadShelf(id=DEAD, name="dead", **gone)])
    session.flush()
    session.add_all(
        [
            RoadBook(id=LIVE, title="live", shelf_id=LIVE),
            RoadTag(id=LIVE, word="live"),
            RoadTag(id=DEAD, word="dead", **gone),
        ]
    )
    session.flush()
    session.add_all(
        [
            RoadBook(id=DEAD, title="dead", shelf_id=LIVE, sequel_of=LIVE, **gone),
            RoadSign(id=DEAD, shelf_id=LIVE, **gone),
        ]
    )
    session.flush()
    session.add_all([RoadLoan(id=LIVE, book_id=LIVE, reader="live"), RoadLoan(id=DEAD, book_id=DEAD, reader="dead")])
    links = [{"book_id": LIVE, "tag_id": LIVE}, {"book_id": LIVE, "tag_id": DEAD}]
    session.execute(filings.insert(), links)
