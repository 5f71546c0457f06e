"""A page far down a million rows, next to OFFSET, sqlakeyset and fastapi-pagination; and what walks miss or repeat.

Run: ``python benchmarks/pages.py [--rows N] [--databases sqlite,postgres,mysql] [--alone]`` with the peers
where they are installed.
"""

from __future__ import annotations

import argparse
import base64
import warnings
from collections.abc import Callable
from typing import Any

from listed_orders import ListedOrder, ListedOrders, database, fill, medians
from sqlalchemy import select
from sqlalchemy.orm import Session

from tradecore.db import Database, only_reads
from tradecore.db.pages.cursor import Position, key_of, seal_cursor
from tradecore.db.pages.page import Asked
from tradecore.db.pages.sorting import keys_of
from tradecore.testing import assert_statements

try:
    import sqlakeyset
    from fastapi_pagination import set_page
    from fastapi_pagination.cursor import CursorPage, CursorParams
    from fastapi_pagination.ext.sqlalchemy import paginate
except ImportError:
    sqlakeyset = None

O = ListedOrder  # noqa: E741
LIMIT = 50
# A page far down against the first one, by whether a sort key can be NULL; the first one against a raw OFFSET 0.
DEEP_BUDGET, FIRST_BUDGET = {False: 1.5, True: 3.0}, 1.3
# What we are asked, and the same order spelled whole for who adds no tie-breaker.
ORDERS = {
    "placed-, id-": ([O.placed_at.desc()], [O.placed_at.desc(), O.id.desc()]),
    "status+, placed-, id-": ([O.status, O.placed_at.desc()], [O.status, O.placed_at.desc(), O.id.desc()]),
    "closed+ nulls last, id+": ([O.closed_at], [O.closed_at, O.id]),
}
WALKS = ORDERS | {
    "status+ (ties)": ([O.status], [O.status]),
    "closed- nulls last": ([O.closed_at.desc()], [O.closed_at.desc()]),
    "symbol-, closed+, placed-": ([O.symbol.desc(), O.closed_at, O.placed_at.desc()],) * 2,
}


def cursor_at(session: Session, order: list[Any], depth: int) -> tuple[str, tuple[Any, ...]]:
    """Return the cursor after the row number ``depth``, and that row's keys."""
    keys = keys_of(O, order)
    dialect = session.get_bind().dialect
    sort = [element for key in keys for element in key.ordered(dialect.name)]
    row = session.execute(select(*(key.expression for key in keys)).order_by(*sort).offset(depth - 1).limit(1)).one()
    mark = Asked(O, None, (), keys, (), {}).mark(dialect)
    from datetime import UTC, datetime

    return seal_cursor(key_of(session), mark, datetime.now(UTC), Position(tuple(row))), tuple(row)


def fastapi_page(session: Session, whole: list[Any], cursor: str | None, limit: int = LIMIT) -> Any:
    with set_page(CursorPage[Any]):
        return paginate(session, select(O).order_by(*whole), params=CursorParams(size=limit, cursor=cursor))


def depths(
    session: Session, name: str, order: list[Any], whole: list[Any], depth: int, *, peers: bool
) -> dict[str, float]:
    after, values = cursor_at(session, order, depth)
    keys = keys_of(O, order)
    sort = [element for key in keys for element in key.ordered(session.get_bind().dialect.name)]

    def offset(many: int) -> Callable[[], object]:
        return lambda: session.scalars(select(O).order_by(*sort).offset(many).limit(LIMIT)).all()

    orders = ListedOrders(session)
    acts: dict[str, Callable[[], object]] = {
        "ours 0": lambda: orders.page(order_by=order, limit=LIMIT),
        "ours": lambda: orders.page(order_by=order, limit=LIMIT, after=after),
        "offset 0": offset(0),
        "filtered 0": lambda: orders.page(O.status == "filled", order_by=order, limit=LIMIT),
        "filtered offset 0": lambda: session.scalars(
            select(O).where(O.status == "filled").order_by(*sort).offset(0).limit(LIMIT)
        ).all(),
        "offset": offset(depth),
    }
    if "nulls" not in name and peers and sqlakeyset is not None:  # there they lose rows
        bookmark = base64.b64encode(sqlakeyset.serialize_bookmark((values, False)).encode()).decode()
        acts["sqlakeyset 0"] = lambda: sqlakeyset.select_page(session, select(O).order_by(*whole), per_page=LIMIT)
        acts["sqlakeyset"] = lambda: sqlakeyset.select_page(
            session, select(O).order_by(*whole), per_page=LIMIT, after=values
        )
        acts["fastapi-p."] = lambda: fastapi_page(session, whole, bookmark)

    def fresh(act: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            session.expunge_all()
            act()

        return run

    with assert_statements(session, 1):
        orders.page(order_by=order, limit=LIMIT, after=after)
    return medians({what: fresh(act) for what, act in acts.items()}, 15)


def speak_of_depths(db: Database, kind: str, depth: int, *, peers: bool = True) -> None:
    for name, (order, whole) in ORDERS.items():
        with db.transaction() as session:
            only_reads(session)
            took = depths(session, name, order, whole, depth, peers=peers)
        shown = "   ".join(f"{what} {time:.2f}" for what, time in took.items())
        said = {
            "deep/first": (took["ours"] / took["ours 0"], DEEP_BUDGET["nulls" in name]),
            "first/offset": (took["ours 0"] / took["offset 0"], FIRST_BUDGET),
            "filtered first/offset": (took["filtered 0"] / took["filtered offset 0"], FIRST_BUDGET),
        }
        print(f"{kind:9}{name}")
        for what, (ratio, budget) in said.items():
            print(f"    {what:22} {ratio:5.2f}   {'kept' if ratio <= budget else 'MISSED'}: {budget}")
        print(f"    ms: {shown}")


def walk(read: Callable[[Any], tuple[list[int], Any]]) -> list[int]:
    """Follow the cursors to the end; a walk that does not end is cut."""
    seen, after = [], None
    for _ in range(500):
        found, after = read(after)
        seen += found
        if after is None:
            break
    return seen


def speak_of_walks(db: Database, kind: str, count: int) -> None:
    for name, (order, whole) in WALKS.items():
        with db.transaction() as session:
            only_reads(session)

            def ours(after: Any, order: Any = order, session: Session = session) -> tuple[list[int], Any]:
                page = ListedOrders(session).page(order_by=order, limit=100, after=after)
                return [one.id for one in page.items], page.next

            def back(after: Any, order: Any = order, session: Session = session) -> tuple[list[int], Any]:
                page = ListedOrders(session).page(order_by=order, limit=100, after=after)
                return [one.id for one in page.items], page.previous

            def keyset(after: Any, whole: Any = whole, session: Session = session) -> tuple[list[int], Any]:
                page = sqlakeyset.select_page(session, select(O).order_by(*whole), per_page=100, after=after)
                return [row[0].id for row in page], page.paging.next[0] if page.paging.has_next else None

            def fastapi(after: Any, whole: Any = whole, session: Session = session) -> tuple[list[int], Any]:
                page = fastapi_page(session, whole, after, 100)
                return [one.id for one in page.items], page.next_page

            faults = {}
            theirs = {"sqlakeyset": keyset, "fastapi-p.": fastapi} if sqlakeyset is not None else {}
            for what, read in {"ours": ours, **theirs}.items():
                try:
                    seen = walk(read)
                except Exception as error:
                    faults[what] = type(error).__name__
                else:
                    faults[what] = f"{count - len(set(seen))} missed, {len(seen) - len(set(seen))} repeated"
            after, last = None, None
            while True:
                page = ListedOrders(session).page(order_by=order, limit=100, after=after)
                if page.next is None:
                    last = page
                    break
                after = page.next
            seen = [one.id for one in last.items] + walk(lambda a: back(a or last.previous))  # noqa: B023
            faults["ours, backwards"] = f"{count - len(set(seen))} missed, {len(seen) - len(set(seen))} repeated"
        print(f"{kind:9}{name:28}" + "   ".join(f"{what}: {fault}" for what, fault in faults.items()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--walk", type=int, default=20_000)
    parser.add_argument("--databases", default="sqlite,postgres,mysql")
    parser.add_argument("--alone", action="store_true", help="leave the peers' slow pages out")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for kind in given.databases.split(","):
        with database(kind, cursor_key=b"k" * 32, statement_timeout=300) as db:
            fill(db, given.rows)
            speak_of_depths(db, kind, given.rows * 9 // 10, peers=not given.alone)
        with database(kind, cursor_key=b"k" * 32) as db:
            fill(db, given.walk)
            speak_of_walks(db, kind, given.walk)


if __name__ == "__main__":
    main()
