"""A small table with every kind of sort key, and walks over its pages; what the page tests share."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tradecore.db import Base, EnumString, ExactString
from tradecore.db.repository import Repository

START = datetime(2026, 1, 1, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Shelf(Base):
    __tablename__ = "test_shelves"

    name: Mapped[str] = mapped_column(ExactString(40))
    books: Mapped[list[Book]] = relationship(back_populates="shelf")


class Book(Base):
    __tablename__ = "test_books"
    __table_args__ = (UniqueConstraint("title", "volume"),)

    shelf_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("test_shelves.id"))
    title: Mapped[str] = mapped_column(ExactString(40))
    volume: Mapped[int]
    at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    price: Mapped[Decimal | None]
    colour: Mapped[Colour | None] = mapped_column(EnumString(Colour))
    printed: Mapped[date | None]
    signed: Mapped[bool] = mapped_column(default=False)
    shelf: Mapped[Shelf | None] = relationship(back_populates="books")


TABLES = [Shelf.__table__, Book.__table__]


class Books(Repository[Book]):
    """The books."""


class Shelves(Repository[Shelf]):
    """The shelves."""


def book(number: int, **changes: object) -> Book:
    """Return a book with many equals: few values a column, NULLs in every nullable one."""
    values = {
        "title": "abc"[number % 3],
        "volume": number,
        "at": START + timedelta(minutes=number // 4),
        "read_at": None if number % 5 == 0 else START + timedelta(minutes=number % 7),
        "price": None if number % 4 == 1 else Decimal(number % 6) / 4,
        "colour": [None, Colour.RED, Colour.GREEN][number % 3],
        "printed": None if number % 2 else date(2020, 1, 1 + number % 9),
        "signed": number % 3 == 0,
    }
    return Book(**(values | changes))


def expected(books, order):
    """Return the books in an order of (attribute, descending, nulls_first), by Python's own sort."""
    found = list(books)
    down = order[-1][1] if order else False
    found.sort(key=lambda one: one.id, reverse=down)
    for name, descending, nulls_first in reversed(order):
        filled = [one for one in found if getattr(one, name) is not None]
        empty = [one for one in found if getattr(one, name) is None]
        filled.sort(key=lambda one: getattr(one, name), reverse=descending)
        found = empty + filled if nulls_first else filled + empty
    return found


def spelled(order):
    """Return the order in SQLAlchemy's words."""
    elements = []
    for name, descending, nulls_first in order:
        element = getattr(Book, name)
        element = element.desc() if descending else element.asc()
        elements.append(element.nulls_first() if nulls_first else element.nulls_last() if descending else element)
    return elements


def forward(read):
    """Walk ``read(after)`` to the end, and return the pages."""
    pages = [read(None)]
    while pages[-1].next is not None:
        pages.append(read(pages[-1].next))
        assert len(pages) < 1000
    return pages


def backward(read, last):
    """Walk from the page ``last`` to the beginning, and return the pages in the order of the list."""
    pages = [last]
    while pages[0].previous is not None:
        pages.insert(0, read(pages[0].previous))
        assert len(pages) < 1000
    return pages


def items(pages):
    """Return the ids on the pages."""
    return [item.id for page in pages for item in page.items]
