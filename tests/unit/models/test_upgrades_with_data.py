"""Rows written under the first revisions are there after every way up and down, on every database."""

import importlib

import pytest
from sqlalchemy import delete, event, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from tests import sample_rows
from tests.sample_rows import all_rows, everything, insert_each

from tradecore.db import Database
from tradecore.db.revisions import RESTS_ON, REVISIONS, applied
from tradecore.errors import ConfigurationError
from tradecore.models import Base, Strategy, Trade, User, migrations
from tradecore.models.migrations import upgrading
from tradecore.models.migrations.upgrading import scripts

HEADS = {branch: revisions[-1] for branch, revisions in REVISIONS.items()}
FIRST = {"core": "core_0001", "platform": "platform_0001"}


def _tables(*modules):
    found = []
    for module in modules:
        metadata = importlib.import_module(f"tradecore.models.migrations.versions.{module}").metadata
        found += [table for table in metadata.sorted_tables if len(table.columns) > 1 and table.name != "tc_leases"]
    return found


OLD = _tables("core_0001_the_journey", "platform_0001_trading")


def _up_to(db, *revisions):
    with db.engine.connect() as connection, upgrading._prepared(connection), connection.begin():
        for revision in revisions:
            upgrading._run(connection, revision, lambda rows, to=revision: scripts()._upgrade_revs(to, rows))
        return applied(connection)


def _rows(db, tables=OLD):
    with everything(db).begin() as connection:
        return all_rows(connection, tables)


@pytest.fixture
def db(shared_database_url):
    """A database of the first release, with a row in every table."""
    with Database(shared_database_url) as database:
        assert _up_to(database, "core_0001", "platform_0001") == FIRST
        with everything(database).begin() as connection:
            insert_each(connection, OLD)
        yield database


def test_the_list_of_what_rests_on_what_is_the_files():
    assert {s.revision: s.dependencies for s in scripts().walk_revisions() if s.dependencies} == RESTS_ON


def test_rows_live_through_the_way_up_and_down_and_up_again(db):
    before = _rows(db)
    assert all(before.values())
    assert migrations.upgrade(db) == HEADS
    assert migrations.check(db) == []
    assert _rows(db) == before
    new = [table for table in Base.metadata.sorted_tables if table.name in _new_names()]
    with everything(db).begin() as connection:
        parents = {name: rows[0]["id"] for name, rows in before.items()}
        _insert_beside(connection, new, parents)
    with pytest.raises(ConfigurationError, match="would be lost") as caught:
        migrations.downgrade(db, "core_0001")
    assert len(caught.value.details) == len(new)
    assert migrations.losses(db, "platform_0001") == [
        problem["message"] for problem in caught.value.details if not problem["message"].startswith("tc_")
    ]
    assert migrations.current(db) == HEADS
    assert migrations.downgrade(db, "core_0001", lose=True) == FIRST
    assert _rows(db) == before
    assert not set(inspect(db.engine).get_table_names()) & _new_names()
    assert migrations.upgrade(db) == HEADS
    assert migrations.check(db) == []
    assert _rows(db) == before


def _new_names():
    new = (
        "core_0002_schedules_and_keys",
        "core_0004_keys",
        "core_0005_the_audit_trails_proof",
        "platform_0002_the_rest",
    )
    return {table.name for table in _tables(*new)}


def _insert_beside(connection, tables, ids):
    for number, table in enumerate(tables):
        ids[table.name] = max(ids.values()) + 1 + number
        connection.execute(insert(table).values(dict(sample_rows.values_of(table, ids))))


def test_after_the_way_up_checks_and_delete_rules_act(db):
    migrations.upgrade(db)
    for wrong in (update(Trade).values(entry_price=-1), update(Trade).values(quantity=0)):
        with pytest.raises(DBAPIError), everything(db).begin() as connection:
            connection.execute(wrong)
    with pytest.raises(DBAPIError), everything(db).begin() as connection:
        connection.execute(update(User).values(starting_capital_cents=-1))
    with everything(db).begin() as connection:
        assert connection.execute(select(Trade.id)).all()
        connection.execute(delete(Strategy))  # trades go along, logs stay
        assert not connection.execute(select(Trade.id)).all()
        assert connection.execute(text("SELECT COUNT(*) FROM webhook_logs WHERE strategy_id IS NULL")).scalar() == 1


def test_rows_that_break_a_new_check_are_named_and_nothing_is_changed(db):
    with everything(db).begin() as connection:
        connection.execute(text("UPDATE strategies SET micro_to_mini_ratio = 0"))
        connection.execute(text("UPDATE users SET account_size_cents = -5"))
    before = _rows(db)
    with pytest.raises(ConfigurationError) as caught:
        migrations.upgrade(db)
    told = " ".join(detail["message"] for detail in caught.value.details)
    assert "1 rows of strategies break ck_strategies_micro_to_mini_ratio_positive" in told
    assert "ck_users_account_size_cents_not_negative" in told
    assert migrations.current(db)["platform"] == "platform_0001"
    assert _rows(db) == before
    with everything(db).begin() as connection:
        connection.execute(text("UPDATE strategies SET micro_to_mini_ratio = 1"))
        connection.execute(text("UPDATE users SET account_size_cents = 0"))
    assert migrations.upgrade(db) == HEADS
    assert migrations.check(db) == []


def test_an_upgrade_that_died_in_the_middle_is_run_again(db):
    """MariaDB commits every step: what is there already is passed over."""
    before, left = _rows(db), [0]

    def die(connection, cursor, statement, parameters, context, executemany):
        if statement.lstrip().startswith(("CREATE TABLE", "ALTER TABLE", "CREATE INDEX")):
            left[0] -= 1
            if not left[0]:
                raise RuntimeError("the machine stopped")

    event.listen(db.engine, "before_cursor_execute", die)
    for steps in (2, 9, 20):
        left[0] = steps
        with pytest.raises(RuntimeError, match="stopped"):
            migrations.upgrade(db)
        assert migrations.current(db)["platform"] == "platform_0001"
    event.remove(db.engine, "before_cursor_execute", die)
    assert migrations.upgrade(db) == HEADS
    assert migrations.check(db) == []
    assert _rows(db) == before


def test_somebody_elses_table_of_the_same_name_is_not_taken_for_ours(shared_database_url):
    with Database(shared_database_url) as db:
        with everything(db).begin() as connection:
            connection.execute(text("CREATE TABLE benchmarks (id INTEGER PRIMARY KEY)"))
        with pytest.raises(DBAPIError, match=r"(?i)exists"):
            migrations.upgrade(db)


@pytest.mark.parametrize("to", ["platform_0009", "", "core", "heads"])
def test_going_back_needs_a_revision_that_there_is(sqlite_url, to):
    with Database(sqlite_url) as db:
        migrations.upgrade(db)
        with pytest.raises(ConfigurationError, match="nothing to go back to"):
            migrations.downgrade(db, to)
        assert migrations.current(db) == HEADS


def test_foreign_keys_are_enforced_again_after_a_table_was_made_anew(db):
    with db.engine.connect() as connection:
        migrations.upgrade(connection)
        if db.dialect_name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            connection.rollback()
