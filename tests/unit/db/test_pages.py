"""Pages by cursor: every row once, in both directions, in any order, whatever comes and goes."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, literal
from tests.unit.db.shelf import TABLES, Book, Books, backward, book, expected, forward, items, spelled

from tradecore.db import Base, Database, ExactDecimal
from tradecore.errors import InvalidInput

NOT_NULL = ["title", "at", "signed", "volume"]
NULLABLE = ["read_at", "price", "colour", "printed"]

ORDERS = st.lists(
    st.tuples(st.sampled_from(NOT_NULL + NULLABLE), st.booleans(), st.booleans()),
    max_size=4,
    unique_by=lambda key: key[0],
)


@pytest.fixture
def db(database_url):
    with Database(database_url, cursor_key=b"k" * 32) as database:
        Base.metadata.create_all(database.engine, tables=TABLES)
        yield database


def _filled(session, numbers):
    session.execute(delete(Book))
    return Books(session).add_all([book(number) for number in numbers])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=ORDERS, numbers=st.lists(st.integers(0, 60), unique=True, max_size=40), limit=st.integers(1, 12))
def test_a_walk_meets_every_row_once_in_both_directions(db, order, numbers, limit):
    with db.transaction() as session:
        books = _filled(session, numbers)
        repository = Books(session)
        wanted = [one.id for one in expected(books, order)]

        def read(after):
            return repository.page(order_by=spelled(order), limit=limit, after=after)

        pages = forward(read)
        assert items(pages) == wanted
        assert pages[0].previous is None
        assert all(len(page) == limit for page in pages[:-1])
        assert items(backward(read, pages[-1])) == wanted
        assert [one.id for one in repository.find(order_by=spelled(order))] == wanted


MOVES = st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 80)), max_size=6)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=ORDERS, moves=st.lists(MOVES, min_size=1, max_size=8), limit=st.integers(1, 6), data=st.data())
def test_rows_that_come_and_go_hide_and_double_no_other(db, order, moves, limit, data):
    def change(session, made):
        for what, number in made:
            session.execute(delete(Book).where(Book.volume == number))
            if what == "add":
                session.add(book(number))

    stays = list(range(0, 60, 3))
    with db.transaction() as session:
        kept = {one.volume for one in _filled(session, range(40)) if one.volume in stays}
    moves = [[(what, number) for what, number in made if number not in stays] for made in moves]
    seen, after, back = [], None, data.draw(st.booleans())
    for step in range(200):
        with db.transaction() as session:  # each page in a transaction of its own, as requests are
            page = Books(session).page(order_by=spelled(order), limit=limit, after=after)
        seen += [one.volume for one in page.items]
        if back and step == 2 and page.previous is not None:
            with db.transaction() as session:  # one look back changes nothing
                Books(session).page(order_by=spelled(order), limit=limit, after=page.previous)
        after = page.next
        if after is None:
            break
        db.run(change, moves[step % len(moves)])
    # A row that left and came back elsewhere may be met twice, one that was there throughout may not.
    assert sorted(number for number in seen if number in kept) == sorted(kept)


def _counted(db):
    sent = []
    event.listen(db.engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    return sent


@pytest.mark.parametrize("order", [[Book.at.desc()], [Book.title, Book.at.desc()], [Book.read_at.desc(), Book.at]])
def test_a_page_is_one_statement_and_one_more_where_it_crosses_a_prefix(db, order):
    db.run(_filled, range(200))
    sent, counts = _counted(db), []

    def read(after):
        sent.clear()
        page = Books(session).page(order_by=order, limit=10, after=after)
        counts.append(len([statement for statement in sent if statement.startswith("SELECT")]))
        return page

    with db.transaction() as session:
        forward(read)
    assert len(counts) == 20
    if len(order) == 1:
        assert set(counts) == {1}
    assert counts.count(1) >= 20 - 9  # title has three values; read_at has seven, and NULL
    assert max(counts) <= 1 + len(order)


def test_a_page_may_be_sorted_by_an_expression(db):
    order = [func.coalesce(Book.price, literal(Decimal(0), ExactDecimal())).desc(), Book.volume % 7]
    with db.transaction() as session:
        books = _filled(session, range(50))
        wanted = sorted(books, key=lambda one: (-(one.price or 0), one.volume % 7, one.id))
        pages = forward(lambda after: Books(session).page(order_by=order, limit=8, after=after))
        assert items(pages) == [one.id for one in wanted]


def test_the_way_back_from_an_end_that_was_deleted(db):
    with db.transaction() as session:
        books = _filled(session, range(10))
        read = Books(session)
        first = read.page(order_by=Book.volume, limit=4)
        for one in books[4:]:
            read.delete(one)
        empty = read.page(order_by=Book.volume, limit=4, after=first.next)
        assert (empty.items, empty.next) == ([], None)
        again = read.page(order_by=Book.volume, limit=4, after=empty.previous)
        assert items([again]) == items([first])
        assert again.previous is None
        forth = read.page(order_by=Book.volume, limit=4, after=again.next)
        assert (forth.items, forth.next) == ([], None)


def test_totals_only_on_request(db):
    with db.transaction() as session:
        _filled(session, range(30))
        books = Books(session)
        assert books.page(limit=5).total is None
        exact = books.page(Book.title == "a", limit=5, total="exact").total
        assert (exact.count, exact.capped, str(exact)) == (10, False, "10")
        capped = books.page(limit=5, total=20).total
        assert (capped.count, capped.capped, str(capped)) == (20, True, "20+")
        numbered = books.offset_page(number=3, limit=12, order_by=Book.volume, total="exact")
        assert [one.volume for one in numbered.items] == list(range(24, 30))
        assert (numbered.has_more, numbered.pages) == (False, 3)
        assert books.offset_page(number=2, limit=12, order_by=Book.volume).has_more


@pytest.mark.parametrize("limit", [0, -1, 1001, True, "5", None, 10**30])
def test_a_limit_out_of_range_is_refused_before_any_statement(db, limit):
    sent = _counted(db)
    with db.transaction() as session:
        books = Books(session)
        for read in (books.find, books.offset_page, books.page):
            if limit is None and read == books.page:
                continue
            with pytest.raises(InvalidInput) as refused:
                read(limit=limit)
            assert refused.value.details[0]["code"] == "OUT_OF_RANGE"
    assert not [statement for statement in sent if "test_books" in statement]


def test_what_a_cursor_cannot_carry_is_no_sort_key(db):
    with db.transaction() as session:
        for order in ("title", ["title"], [func.random() * 1.5]):
            with pytest.raises(TypeError, match="sort"):
                Books(session).page(order_by=order)
        with pytest.raises(ValueError, match="at most"):
            Books(session).page(order_by=[Book.volume] * 9)
