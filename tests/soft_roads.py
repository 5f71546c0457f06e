"""Forty roads by which a deleted row could be read or written, each a function that tells whether it stayed hidden."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, delete, exists, func, insert, literal, select, text, union, update
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import (
    Mapped,
    Session,
    aliased,
    joinedload,
    make_transient_to_detached,
    mapped_column,
    relationship,
    selectinload,
    subqueryload,
)
from tests.soft_models import DEAD, LIVE, SEEN, THEN, RoadBook, RoadLoan, RoadShelf, RoadSign, RoadTag

from tradecore.db import SoftDeleted


@dataclass(frozen=True)
class Road:
    """A road: ``walk(session)`` is True where what it promises is kept, and raises where the road is closed."""

    name: str
    walk: Callable[[Session], bool]
    closed: bool = False


ROADS: list[Road] = []


def road(walk: Callable[[Session], bool], *, closed: bool = False) -> Callable[[Session], bool]:
    ROADS.append(Road(walk.__name__.removeprefix("by_"), walk, closed))
    return walk


closed = partial(road, closed=True)


def titles(rows: Any) -> bool:
    """Whether exactly the live book was seen."""
    return [row if isinstance(row, str) else row.title for row in rows] == ["live"]


def hold_deleted(session: Session, kind: type[Any] = RoadBook) -> Any:
    """Have the session hold the deleted row."""
    return session.execute(select(kind).where(kind.id == DEAD), execution_options=SEEN).scalar_one()


def stored(session: Session, kind: type[Any], key: int) -> tuple[Any, ...] | None:
    """What the table holds, whatever the session would say."""
    table = kind.__table__
    query = select(table.c.deleted_at, table.c.delete_batch).where(table.c.id == key)
    return session.connection().execute(query, execution_options=SEEN).one_or_none()


@road
def by_get(session: Session) -> bool:
    return session.get(RoadBook, DEAD) is None and session.get(RoadBook, LIVE) is not None


@road
def by_get_of_a_loaded_row(session: Session) -> bool:
    held = hold_deleted(session)
    return session.get(RoadBook, DEAD) is None and held is not None


@road
def by_get_one(session: Session) -> bool:
    held = hold_deleted(session)
    with suppress(NoResultFound):
        return session.get_one(RoadBook, DEAD) is None
    return held is not None


@road
def by_get_locked_or_anew(session: Session) -> bool:
    held = hold_deleted(session)
    found = session.get(RoadBook, DEAD, with_for_update=True), session.get(RoadBook, DEAD, populate_existing=True)
    return found == (None, None) and held is not None


@road
def by_select(session: Session) -> bool:
    return titles(session.scalars(select(RoadBook)))


@road
def by_column(session: Session) -> bool:
    return titles(session.scalars(select(RoadBook.title)))


@road
def by_alias(session: Session) -> bool:
    other = aliased(RoadBook)
    return (
        titles(session.scalars(select(other)))
        and not session.execute(select(RoadBook, other).join(other, other.sequel_of == RoadBook.id)).all()
    )


@road
def by_join(session: Session) -> bool:
    return session.scalars(select(RoadLoan.reader).join(RoadLoan.book)).all() == ["live"]


@road
def by_outer_join(session: Session) -> bool:
    query = select(RoadLoan.reader, RoadBook.title).outerjoin(RoadLoan.book).order_by(RoadLoan.id)
    return [tuple(row) for row in session.execute(query)] == [("live", "live"), ("dead", None)]


@road
def by_lazy_many_to_one(session: Session) -> bool:
    return session.get_one(RoadLoan, DEAD).book is None and session.get_one(RoadLoan, LIVE).book is not None


@road
def by_lazy_many_to_one_of_a_loaded_row(session: Session) -> bool:
    held = hold_deleted(session)
    return session.get_one(RoadLoan, DEAD).book is None and held is not None


@road
def by_lazy_one_to_many(session: Session) -> bool:
    return titles(session.get_one(RoadShelf, LIVE).books)


@road
def by_lazy_one_to_one(session: Session) -> bool:
    return session.get_one(RoadShelf, LIVE).sign is None


@road
def by_lazy_many_to_many(session: Session) -> bool:
    return [tag.word for tag in session.get_one(RoadBook, LIVE).tags] == ["live"]


def _loans(session: Session, how: Any) -> bool:
    loans = session.scalars(select(RoadLoan).options(how(RoadLoan.book)).order_by(RoadLoan.id)).all()
    return [loan.book and loan.book.title for loan in loans] == ["live", None]


def _shelves(session: Session, how: Any) -> bool:
    shelf = session.scalars(select(RoadShelf).options(how(RoadShelf.books))).unique().one()
    return titles(shelf.books)


def _tagged(session: Session, how: Any) -> bool:
    book = session.scalars(select(RoadBook).options(how(RoadBook.tags))).unique().one()
    return [tag.word for tag in book.tags] == ["live"]


@road
def by_joined_one_to_many(session: Session) -> bool:
    return _shelves(session, joinedload)


@road
def by_joined_many_to_one(session: Session) -> bool:
    return _loans(session, joinedload)


@road
def by_joined_many_to_many(session: Session) -> bool:
    return _tagged(session, joinedload)


@road
def by_selectin_one_to_many(session: Session) -> bool:
    return _shelves(session, selectinload)


@road
def by_selectin_many_to_one(session: Session) -> bool:
    held = hold_deleted(session)
    return _loans(session, selectinload) and held is not None


@road
def by_selectin_many_to_many(session: Session) -> bool:
    return _tagged(session, selectinload)


@road
def by_subquery_load(session: Session) -> bool:
    return _shelves(session, subqueryload) and _tagged(session, subqueryload) and _loans(session, subqueryload)


@road
def by_exists(session: Session) -> bool:
    return session.scalars(select(RoadLoan.reader).where(exists().where(RoadBook.id == RoadLoan.book_id))).all() == [
        "live"
    ]


@road
def by_any(session: Session) -> bool:
    return not session.scalars(select(RoadShelf).where(RoadShelf.books.any(RoadBook.title == "dead"))).all()


@road
def by_has(session: Session) -> bool:
    return session.scalars(select(RoadLoan.reader).where(RoadLoan.book.has())).all() == ["live"]


@road
def by_in(session: Session) -> bool:
    return session.scalars(select(RoadLoan.reader).where(RoadLoan.book_id.in_(select(RoadBook.id)))).all() == ["live"]


@road
def by_scalar_subquery(session: Session) -> bool:
    title = select(RoadBook.title).where(RoadBook.id == RoadLoan.book_id).scalar_subquery()
    return [tuple(row) for row in session.execute(select(RoadLoan.reader, title).order_by(RoadLoan.id))] == [
        ("live", "live"),
        ("dead", None),
    ]


@road
def by_derived_table(session: Session) -> bool:
    derived = select(RoadBook.title, RoadBook.id).subquery()
    return titles(session.scalars(select(derived.c.title))) and titles(
        session.scalars(select(aliased(RoadBook, select(RoadBook).subquery())))
    )


@road
def by_cte(session: Session) -> bool:
    return titles(session.scalars(select(select(RoadBook.title).cte().c.title)))


@road
def by_recursive_cte(session: Session) -> bool:
    series = select(RoadBook.id, RoadBook.title).where(RoadBook.sequel_of.is_(None)).cte(recursive=True)
    series = series.union_all(select(RoadBook.id, RoadBook.title).join(series, RoadBook.sequel_of == series.c.id))
    return titles(session.scalars(select(series.c.title)))


@road
def by_union(session: Session) -> bool:
    both = union(select(RoadBook.title), select(RoadBook.title).where(RoadBook.id > 0))
    return titles(session.scalars(both)) and titles(session.scalars(select(RoadBook).from_statement(select(RoadBook))))


@road
def by_insert_from_select(session: Session) -> bool:
    source = select(RoadBook.id + 10, RoadBook.id, RoadBook.title)
    session.execute(insert(RoadLoan).from_select(["id", "book_id", "reader"], source))
    session.execute(
        insert(RoadLoan.__table__).from_select(
            ["id", "book_id", "reader"], select(RoadBook.id + 20, RoadBook.id, RoadBook.title)
        )
    )
    return session.scalars(select(RoadLoan.reader).where(RoadLoan.id > 10)).all() == ["live", "live"]


@road
def by_count(session: Session) -> bool:
    counts = [
        session.scalar(select(func.count()).select_from(RoadBook)),
        session.scalar(select(func.count(RoadBook.id))),
        session.query(RoadBook).count(),
        session.scalar(select(func.count()).select_from(select(RoadBook).subquery())),
    ]
    return counts == [1, 1, 1, 1]


@road
def by_update(session: Session) -> bool:
    changed = session.execute(update(RoadBook).values(title="new").where(literal(value=True)))
    title = select(RoadBook.__table__.c.title).where(RoadBook.__table__.c.id == DEAD)
    return changed.rowcount == 1 and session.connection().execute(title, execution_options=SEEN).scalar() == "dead"


@road
def by_delete(session: Session) -> bool:
    session.execute(delete(RoadSign))
    gone = session.execute(delete(RoadTag)).rowcount
    live, dead = stored(session, RoadTag, LIVE), stored(session, RoadTag, DEAD)
    return gone == 1 and live is not None and live[0] is not None and dead is not None and dead[1] == 7


@road
def by_session_delete(session: Session) -> bool:
    shelf = session.get_one(RoadShelf, LIVE)
    session.delete(shelf)
    session.flush()
    kept = stored(session, RoadShelf, LIVE), stored(session, RoadBook, LIVE)
    return session.get(RoadShelf, LIVE) is None and all(row is not None and row[0] is not None for row in kept)


@road
def by_merge_or_refresh(session: Session) -> bool:
    copy = RoadBook(id=DEAD, title="again", shelf_id=LIVE, sequel_of=None, deleted_at=None)
    make_transient_to_detached(copy)
    back = []
    for prepare in (hold_deleted, lambda _: session.expunge_all()):
        held = prepare(session)
        try:
            with session.begin_nested():
                session.merge(copy)
                session.flush()
        except Exception:
            pass
        back.append((held, stored(session, RoadBook, DEAD)))
        session.expunge_all()
    live = session.get_one(RoadBook, LIVE)
    session.connection().execute(
        RoadBook.__table__.update().values(deleted_at=THEN).where(RoadBook.__table__.c.id == LIVE),
        execution_options=SEEN,
    )
    try:
        session.refresh(live)
    except sa.exc.InvalidRequestError:
        anew = session.scalars(select(RoadBook).execution_options(populate_existing=True)).all()
        return not anew and all(row is not None and row[0] is not None for _, row in back)
    return False


@closed
def by_delete_orphan(session: Session) -> bool:
    class Own(sa.orm.DeclarativeBase):
        pass

    class Leaf(SoftDeleted, Own):
        __tablename__ = "road_leaves"
        id: Mapped[int] = mapped_column(primary_key=True)
        tree_id: Mapped[int] = mapped_column(ForeignKey("road_trees.id", ondelete="RESTRICT"))

    class Tree(Own):
        __tablename__ = "road_trees"
        id: Mapped[int] = mapped_column(primary_key=True)
        leaves: Mapped[list[Leaf]] = relationship(cascade="all, delete-orphan")

    try:
        Own.registry.configure()
    finally:
        Own.registry.dispose()
    return False


@closed
def by_table_through_the_session(session: Session) -> bool:
    refused = 0
    table = RoadBook.__table__
    for statement in (
        select(table),
        select(table.alias().c.title),
        select(RoadLoan.reader).join(table, table.c.id == RoadLoan.book_id),
        update(table).values(title="new"),
        delete(table),
    ):
        try:
            session.execute(statement)
        except Exception as error:
            refused += 1
            last = error
    if refused == 5:
        raise last
    return False


@closed
def by_entity_on_a_connection(session: Session) -> bool:
    return titles(session.connection().execute(select(RoadBook)).scalars("title"))


@closed
def by_text(session: Session) -> bool:
    with suppress(Exception):
        return session.connection().exec_driver_sql("SELECT title FROM road_books").all() is None
    return titles(session.execute(text("SELECT b.title FROM road_books AS b")).scalars())
