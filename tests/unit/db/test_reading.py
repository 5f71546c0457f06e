"""Units that only read wait for nobody and keep nobody waiting."""

import threading

import pytest
from sqlalchemy import text

from tradecore.db import AsyncDatabase, Database, only_reads
from tradecore.errors import ReadOnly


def _names(session):
    only_reads(session)
    return session.execute(text("SELECT COUNT(*) FROM words")).scalar()


@pytest.fixture
def db(shared_database_url):
    with Database(shared_database_url, lock_timeout=1.0) as database:
        with database.engine.begin() as connection:
            connection.execute(text("CREATE TABLE words (id INTEGER PRIMARY KEY, word VARCHAR(20))"))
            connection.execute(text("INSERT INTO words VALUES (1, 'one')"))
        yield database


def test_a_reader_does_not_wait_for_an_open_writer(db):
    read = []
    with db.transaction() as session:
        session.execute(text("INSERT INTO words VALUES (2, 'two')"))
        reader = threading.Thread(target=lambda: read.append(db.run(_names)))
        reader.start()
        reader.join()
    assert read == [1]
    assert db.run(_names) == 2


def test_a_writer_does_not_wait_for_an_open_reader_and_the_reader_sees_one_state(db):
    with db.transaction() as session:
        assert _names(session) == 1
        writer = threading.Thread(
            target=lambda: db.run(lambda other: other.execute(text("INSERT INTO words VALUES (2, 'two')")))
        )
        writer.start()
        writer.join()
        assert session.execute(text("SELECT COUNT(*) FROM words")).scalar() == 1
    assert db.run(_names) == 2


def test_the_next_transaction_of_the_connection_writes_again(db):
    db.run(_names)
    db.run(lambda session: session.execute(text("UPDATE words SET word = 'eins'")))
    assert db.run(lambda session: session.execute(text("SELECT word FROM words")).scalar()) == "eins"


def test_who_only_reads_cannot_write_on_a_server(db):
    def write(session):
        only_reads(session)
        session.execute(text("UPDATE words SET word = 'eins'"))

    if db.dialect_name != "sqlite":
        with pytest.raises(ReadOnly):
            db.run(write)


@pytest.mark.anyio
async def test_async_readers_do_the_same(shared_database_url, db):
    async with AsyncDatabase(shared_database_url) as tasks:
        await tasks.run(_names)  # its first unit leases a node for ids, which is a write
        with db.transaction() as session:
            session.execute(text("INSERT INTO words VALUES (2, 'two')"))
            assert await tasks.run(_names) == 1
