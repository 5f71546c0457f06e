"""Old tables that have the names of ours are set aside and put back, indexes and all."""

import pytest
from sqlalchemy import inspect, text
from tests.unit.models.adoption import old_platform
from tests.unit.models.adoption.desk import adopted

from tradecore.db import Database
from tradecore.errors import Conflict
from tradecore.models import Strategy, migrations
from tradecore.models.adoption import put_back, renaming, set_aside


def shape(db):
    """Return every table with its columns and its indexes."""
    with db.engine.connect() as connection:
        inspector = inspect(connection)
        return {
            name: (
                [column["name"] for column in inspector.get_columns(name)],
                sorted((index["name"], *index["column_names"]) for index in inspector.get_indexes(name)),
            )
            for name in inspector.get_table_names()
            if not name.startswith("tc_")
        }


def test_aside_and_back_leaves_the_old_database_as_it_was(shared_database_url):
    with Database(shared_database_url) as db:
        old_platform.build(shared_database_url)
        with db.engine.begin() as connection:  # a table that is called like a partition to come
            connection.execute(text("CREATE TABLE trades_2031 (id INTEGER PRIMARY KEY)"))
        before = shape(db)
        renamed = dict(set_aside(db))
        assert renamed["users"] == "legacy_users"
        assert renamed["trades_2031"] == "legacy_trades_2031"
        assert "strategySubscriptions" not in renamed
        assert set_aside(db) == list(renamed.items())  # again is harmless
        migrations.upgrade(db)
        assert migrations.check(db) == []
        assert adopted(db).ready
        put_back(db)
        assert shape(db) == before
        assert migrations.current(db)["platform"] is None
        with pytest.raises(Conflict, match="nothing was set aside"):
            put_back(db)
        set_aside(db)  # and the way can be gone again
        migrations.upgrade(db)
        assert adopted(db).ready


def test_rows_made_since_are_not_thrown_away(sqlite_url):
    with Database(sqlite_url) as db:
        old_platform.build(sqlite_url)
        set_aside(db)
        migrations.upgrade(db)
        assert adopted(db).ready
        db.run(lambda session: session.add(Strategy(symbol="made since")))
        with pytest.raises(Conflict, match="strategies holds 1 rows"):
            put_back(db)
        assert inspect(db.engine).has_table("legacy_users")


def test_killed_between_the_record_and_the_names_it_is_finished(shared_database_url, monkeypatch):
    with Database(shared_database_url) as db:
        old_platform.build(shared_database_url)
        before = shape(db)
        with monkeypatch.context() as patch:
            patch.setattr(renaming, "_give", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                set_aside(db)
        assert len(set_aside(db)) == 7
        assert "users" not in shape(db)
        put_back(db)
        assert shape(db) == before


def test_what_cannot_be_set_aside_says_why(sqlite_url):
    with Database(sqlite_url) as db:
        assert set_aside(db) == []
        old_platform.build(sqlite_url)
        with db.engine.begin() as connection:
            connection.execute(text("CREATE TABLE legacy_users (id INTEGER PRIMARY KEY)"))
        with pytest.raises(Conflict, match="legacy_users is there already"):
            set_aside(db)


def test_where_our_tables_are_nothing_stands_in_the_way(sqlite_url):
    with Database(sqlite_url) as db:
        migrations.upgrade(db)
        with pytest.raises(Conflict, match="there already"):
            set_aside(db)
