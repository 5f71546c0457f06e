"""What each database says when units get in each other's way, provoked on the real ones, and what it is taken for."""

import sqlite3
import struct
import threading
from contextlib import contextmanager

import pymysql.err
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Mapped
from tests.unit.db.colours import opened

from tradecore.db import Base, Database, Lease, only_reads
from tradecore.db.conflicts import Trouble, code_of, commit_failure, trouble_of
from tradecore.errors import CommitUnknown, LockTimeout, SerializationConflict, UniqueViolation

COLOURS = pytest.mark.parametrize("colour", ["threads", "tasks"])


class Till(Base):
    __tablename__ = "test_tills"

    cents: Mapped[int]


def _set(session, key, cents):
    session.execute(update(Till).where(Till.id == key).values(cents=cents))


def _cents(session, key=1):
    return session.execute(select(Till.cents).where(Till.id == key)).scalar_one()


def _prepared(url, **options):
    with Database(url) as db:
        Base.metadata.create_all(db.engine, tables=[Till.__table__, Lease.__table__])
        db.run(lambda s: s.add_all([Till(id=1, cents=0), Till(id=2, cents=0)]))
    return Database(url, lock_timeout=options.pop("lock_timeout", 1.0), **options)


def _code(error):
    """The vendor's own number."""
    orig = error.orig
    return getattr(orig, "sqlite_errorcode", None) or getattr(orig, "sqlstate", None) or orig.args[0]


def _number(error):
    return error.orig.args[0]


@contextmanager
def _seen():
    """Catch the driver's error as a unit sees it."""
    caught = []
    try:
        yield caught
    except DBAPIError as error:
        caught.append(error)


def _lost_update(db, colour_run):
    """One unit reads, another one changes the row, the first changes it too: seen from within."""
    caught = []

    def unit(session):
        _cents(session)
        with db.transaction() as other:
            _set(other, 1, 5 + len(caught))  # another value each time: MariaDB does not count an equal one as a change
        with _seen() as errors:
            _set(session, 1, 7)
        caught.extend(errors)
        if errors:
            raise errors[0]

    with pytest.raises(SerializationConflict):
        colour_run(unit)
    return caught


@COLOURS
@pytest.mark.parametrize(("kind", "code"), [("postgres_url", "40001"), ("mysql_url", 1020)])
@pytest.mark.service
def test_a_lost_update_is_a_conflict(request, colour, kind, code):
    url = request.getfixturevalue(kind)
    with _prepared(url) as other, opened(colour, url, tries=2) as desk:
        caught = _lost_update(other, desk.run)
    assert len(caught) == 2  # each try was one
    for error in caught:
        assert code in (_code(error), _number(error))
        assert trouble_of(error) is Trouble.CONFLICT


@COLOURS
@pytest.mark.parametrize(("kind", "code"), [("postgres_url", "40P01"), ("mysql_url", 1213)])
@pytest.mark.service
def test_a_deadlock_is_a_conflict_and_the_unit_is_run_again(request, colour, kind, code):
    url = request.getfixturevalue(kind)
    met, caught = threading.Barrier(2), []

    def crossed(session, first, second, run):
        run.append(first)
        _set(session, first, first)
        if len(run) == 1:
            met.wait(10)
        with _seen() as errors:
            _set(session, second, first)
        caught.extend(errors)
        if errors:
            raise errors[0]

    with _prepared(url, lock_timeout=8.0) as threads, opened(colour, url, lock_timeout=8.0) as desk:
        other = threading.Thread(target=threads.run, args=(crossed, 1, 2, []))
        other.start()
        desk.run(crossed, 2, 1, [])
        other.join()
        assert threads.run(lambda s: (_cents(s, 1), _cents(s, 2))) in ((1, 1), (2, 2))
    deadlocks = [error for error in caught if code in (_code(error), _number(error))]
    assert deadlocks
    assert all(trouble_of(error) is Trouble.CONFLICT for error in caught)


@COLOURS
def test_a_lock_not_had_in_time_is_one_to_try_again_for(colour, shared_database_url):
    with _prepared(shared_database_url) as db, opened(colour, shared_database_url, lock_timeout=1.0, tries=1) as desk:
        desk.run(lambda s: None)
        with db.transaction() as holder:
            _set(holder, 1, 1)
            with pytest.raises(LockTimeout) as caught:
                desk.run(_set, 1, 2)
    error = caught.value.__cause__
    expected = {"sqlite": sqlite3.SQLITE_BUSY, "postgresql": "55P03", "mysql": 1205}[db.dialect_name]
    assert expected in (_code(error), _number(error))
    assert trouble_of(error) is Trouble.LOCKED


def test_nowait_says_the_same(postgres_url):
    with _prepared(postgres_url) as db, db.transaction() as holder:
        _set(holder, 1, 1)
        with pytest.raises(LockTimeout):
            db.run(lambda s: s.execute(select(Till).with_for_update(nowait=True)))


@COLOURS
def test_sqlite_a_reader_that_turns_writer_is_a_conflict(colour, sqlite_url):
    with _prepared(sqlite_url) as db, opened(colour, sqlite_url, tries=1) as desk:

        def turns(session):
            only_reads(session)
            _cents(session)
            with db.transaction() as other:
                _set(other, 1, 5)
            _set(session, 1, 7)

        with pytest.raises(SerializationConflict) as caught:
            desk.run(turns)
        assert _code(caught.value.__cause__) == sqlite3.SQLITE_BUSY_SNAPSHOT


@COLOURS
def test_sqlite_in_memory_a_locked_table_is_a_lock(colour):
    with opened(colour, "sqlite://", tries=1, lock_timeout=0.2) as desk:
        anchor = desk.db._anchor
        anchor.execute("CREATE TABLE t (n INTEGER)")
        anchor.commit()
        anchor.execute("BEGIN IMMEDIATE")
        anchor.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(LockTimeout) as caught:
            desk.run_read(lambda s: s.execute(text("SELECT * FROM t")))
        anchor.rollback()
        assert _code(caught.value.__cause__) & 0xFF == sqlite3.SQLITE_LOCKED
        assert desk.run_read(lambda s: s.execute(text("SELECT COUNT(*) FROM t")).scalar()) == 0


# Nested transactions.


def _fails_inside(session):
    _set(session, 1, 1)
    try:
        with session.begin_nested():
            _set(session, 1, 2)
            with session.begin_nested():
                _set(session, 2, 2)
            raise KeyError
    except KeyError:
        pass
    with session.begin_nested():
        _set(session, 2, 3)
    return _cents(session, 1), _cents(session, 2)


@COLOURS
def test_a_savepoint_takes_back_what_was_inside_and_nothing_else(colour, shared_database_url):
    with _prepared(shared_database_url) as db, opened(colour, shared_database_url) as desk:
        assert desk.run(_fails_inside) == (1, 3)
        assert db.run(lambda s: (_cents(s, 1), _cents(s, 2))) == (1, 3)


@COLOURS
def test_a_released_savepoint_is_gone_with_the_transaction_around_it(colour, shared_database_url):
    # With the SQLite driver's own BEGIN it would stay: the savepoint, not the transaction, came first.
    def first_nested_then_broken(session):
        with session.begin_nested():
            _set(session, 1, 9)
        raise KeyError

    with _prepared(shared_database_url) as db, opened(colour, shared_database_url) as desk:
        with pytest.raises(KeyError):
            desk.run(first_nested_then_broken)
        assert db.run(_cents) == 0


@COLOURS
def test_a_taken_key_inside_a_savepoint_leaves_the_unit_usable(colour, shared_database_url):
    def take_it(session):
        with session.begin_nested():
            session.add(Till(id=2, cents=1))
            session.flush()

    def tries(session):
        _set(session, 1, 4)
        with pytest.raises(IntegrityError):
            take_it(session)
        return _cents(session, 1)

    with _prepared(shared_database_url) as db, opened(colour, shared_database_url) as desk:
        assert desk.run(tries) == 4
        assert db.run(lambda s: (_cents(s, 1), _cents(s, 2))) == (4, 0)
        with pytest.raises(UniqueViolation):
            desk.run(lambda s: s.add(Till(id=2, cents=1)))


def _refusal(number, state):
    """What PyMySQL makes of an error packet of the server: since 1.2 the SQLSTATE is in it too."""
    packet = b"\xff" + struct.pack("<h", number) + b"#" + state + b"said by the server"
    with pytest.raises(pymysql.err.Error) as caught:
        pymysql.err.raise_mysql_exception(packet)
    return caught.value


@pytest.mark.parametrize(
    ("number", "state", "unknown"),
    [
        (1927, b"70100", True),  # the connection was killed, maybe after the COMMIT was done
        (1053, b"08S01", True),  # the server goes down
        (1213, b"40001", False),
        (1205, b"HY000", False),
        (1062, b"23000", False),
    ],
)
def test_whether_a_commit_was_done_is_known_only_where_the_server_says_that_it_was_not(number, state, unknown):
    error = DBAPIError("COMMIT", {}, _refusal(number, state))
    assert code_of(error) == number
    assert isinstance(commit_failure(error), CommitUnknown) is unknown


@pytest.mark.service
def test_a_unit_whose_connection_was_killed_in_its_commit_is_not_run_again(mysql_url, monkeypatch):
    with _prepared(mysql_url) as db:
        runs, commit = [], db.engine.dialect.do_commit

        def killed(connection):
            commit(connection)
            if runs:
                raise _refusal(1927, b"70100")

        def unit(session):
            runs.append(1)
            _set(session, 1, _cents(session) + 100)

        monkeypatch.setattr(db.engine.dialect, "do_commit", killed)
        with pytest.raises(CommitUnknown):
            db.run(unit)
        monkeypatch.undo()
        assert (len(runs), db.run(_cents)) == (1, 100)
