"""Which index an order lacks, from the model alone."""

import pytest
from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from tradecore.db import Base
from tradecore.db.pages.query import Field, Query
from tradecore.testing import missing_indexes


class Listed(Base):
    __tablename__ = "test_listed"
    __table_args__ = (
        Index("ix_test_placed", "placed_at", "id"),
        Index("ix_test_status", "status", text("placed_at DESC"), text("id DESC")),
        Index("ix_test_owner", "owner", "symbol"),
        Index("ix_test_part", "part", postgresql_where=text("part > 0"), sqlite_where=text("part > 0")),
        Index("ix_test_lower", func.lower("symbol"), "part"),
        UniqueConstraint("code"),
    )
    placed_at: Mapped[int]
    status: Mapped[str] = mapped_column()
    owner: Mapped[int]
    symbol: Mapped[str] = mapped_column()
    part: Mapped[int]
    code: Mapped[int]


class ListedQuery(Query[Listed]):
    fields = {  # noqa: RUF012
        "placed_at": Field(Listed.placed_at, sort=True),
        "part": Field(Listed.part, sort=True),
        "owner": Field(Listed.owner),
    }
    default_order = (Listed.status, Listed.placed_at.desc())


@pytest.mark.parametrize(
    ("order", "equal"),
    [
        ([], ()),
        (Listed.id.desc(), ()),
        (Listed.placed_at, ()),
        (Listed.placed_at.desc(), ()),
        ([Listed.placed_at.desc(), Listed.id.desc()], ()),
        ([Listed.status, Listed.placed_at.desc()], ()),
        ([Listed.status.desc(), Listed.placed_at], ()),
        (Listed.placed_at, [Listed.status]),
        (Listed.symbol, [Listed.owner]),
        ([Listed.owner, Listed.symbol], [Listed.owner]),
        (Listed.code, ()),
        (func.lower(Listed.symbol), ()),  # not judged
    ],
)
def test_what_an_index_serves_lacks_none(order, equal):
    assert missing_indexes(Listed, order, equal=equal) == []


@pytest.mark.parametrize(
    ("order", "equal", "columns"),
    [
        (Listed.part, (), "part, id"),
        (Listed.part.desc(), (), "part, id"),
        (Listed.symbol, (), "symbol, id"),
        ([Listed.status, Listed.placed_at], (), "status, placed_at, id"),
        ([Listed.placed_at, Listed.id.desc()], (), "placed_at, id DESC"),
        (Listed.placed_at, [Listed.owner], "owner, placed_at, id"),
        (Listed.symbol.desc(), [Listed.status, Listed.owner], "owner, status, symbol, id"),
    ],
)
def test_what_none_serves_is_told_with_its_index(order, equal, columns):
    (sentence,) = missing_indexes(Listed, order, equal=equal)
    assert sentence.startswith("test_listed in the order of ")
    assert sentence.endswith(f" ON test_listed ({columns})")


def test_all_sorts_of_a_query_class_are_looked_at():
    sentences = missing_indexes(Listed, ListedQuery)
    told = "is sorted anew for each page: CREATE INDEX ix_test_listed_part ON test_listed (part, id)"
    assert sentences == [
        f"test_listed in the order of part, id {told}",
        f"test_listed in the order of part downwards, id downwards {told}",
    ]
