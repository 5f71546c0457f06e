"""The check sees what Alembic does not: stored words, expressions, delete rules. Damage is done by hand, on each."""

import pytest
from sqlalchemy import text
from tests.sample_rows import everything, insert_each

from tradecore.audit import append_only
from tradecore.db import Database
from tradecore.models import Base, migrations
from tradecore.models.migrations.drift import tables_of

TABLES = [t for t in Base.metadata.sorted_tables if t in {*tables_of("core"), *tables_of("platform")}]


@pytest.fixture
def db(shared_database_url):
    with Database(shared_database_url) as database:
        migrations.upgrade(database)
        yield database


def _damage(db, *statements, sqlite=()):
    """Run the statements; on SQLite, which cannot, change the table's own words: (table, old, new)."""
    with everything(db).begin() as connection:
        if db.dialect_name != "sqlite":
            for statement in statements:
                connection.exec_driver_sql(statement)
            return
        table, old, new = sqlite
        connection.exec_driver_sql("PRAGMA writable_schema = ON")
        changed = connection.execute(
            text("UPDATE sqlite_master SET sql = replace(sql, :old, :new) WHERE name = :table AND instr(sql, :old)"),
            {"table": table, "old": old, "new": new},
        )
        assert changed.rowcount == 1
        connection.exec_driver_sql("PRAGMA writable_schema = RESET")
    db.engine.dispose()


def test_a_stored_word_that_no_member_has_is_told_by_table_and_column(db):
    with everything(db).begin() as connection:
        insert_each(connection, TABLES)
    assert migrations.check(db) == []  # rows in every table are no difference
    for word in ("sideways", "LONG", "long ", "lóng", ""):
        with everything(db).begin() as connection:
            connection.execute(text("UPDATE trades SET direction = :word"), {"word": word})
            connection.execute(text("UPDATE tc_jobs SET state = 'asleep'"))
        assert sorted(migrations.check(db)) == [
            "unknown words in tc_jobs.state: 'asleep'",
            f"unknown words in trades.direction: {word!r}",
        ]


def test_every_enumeration_of_the_schema_is_looked_at(sqlite_url):
    from tradecore.db import EnumString

    with Database(sqlite_url) as db:
        migrations.upgrade(db)
        columns = [c for t in TABLES for c in t.columns if isinstance(c.type, EnumString)]
        with everything(db).begin() as connection:
            insert_each(connection, TABLES)
            append_only.lift(connection)
            for column in columns:
                connection.execute(text(f"UPDATE {column.table.name} SET \"{column.name}\" = 'drifted'"))
        told = {f"unknown words in {column.table.name}.{column.name}: 'drifted'" for column in columns}
        # Every word is a closed position's, and a position that has drifted is not closed.
        assert set(migrations.check(db)) == told
        assert len(columns) > 45


def test_expressions_and_delete_rules_that_say_something_else_are_told(db):
    changed, gone = "ck_users_account_size_cents_not_negative", "ck_routing_rules_max_daily_loss_cents_not_negative"
    _damage(
        db,
        f"ALTER TABLE users DROP CONSTRAINT {changed}",
        f"ALTER TABLE users ADD CONSTRAINT {changed} CHECK (account_size_cents >= -5)",
        sqlite=("users", "account_size_cents >= 0", "account_size_cents >= -5"),
    )
    clause = f", \n\tCONSTRAINT {gone} CHECK (max_daily_loss_cents >= 0)"
    _damage(db, f"ALTER TABLE routing_rules DROP CONSTRAINT {gone}", sqlite=("routing_rules", clause, ""))
    drop = "FOREIGN KEY" if db.dialect_name == "mysql" else "CONSTRAINT"
    _damage(
        db,
        f"ALTER TABLE paper_accounts DROP {drop} fk_paper_accounts_user_id",
        "ALTER TABLE paper_accounts ADD CONSTRAINT fk_paper_accounts_user_id FOREIGN KEY (user_id) "
        "REFERENCES users (id) ON DELETE RESTRICT",
        sqlite=("paper_accounts", "ON DELETE CASCADE", "ON DELETE RESTRICT"),
    )
    _other_generated_column(db)
    rule, generated, check, missing = sorted(
        migrations.check(db), key=lambda told: ("foreign", "changed gen", "changed ch", "missing").index(_begins(told))
    )
    kept = "NO ACTION" if db.dialect_name == "mysql" else "RESTRICT"
    assert rule == f"foreign key paper_accounts.user_id: on delete it does {kept}, wanted: CASCADE"
    assert generated.startswith("changed generated column: strategies live is ")
    assert "deleted_at" in generated.split("wanted:")[1]
    assert check.startswith(f"changed check: users {changed} is ")
    assert missing == f"missing check: routing_rules {gone}"


def _begins(told):
    return next(word for word in ("foreign", "changed gen", "changed ch", "missing") if told.startswith(word))


def _other_generated_column(db):
    kept = "STORED" if db.dialect_name == "postgresql" else "VIRTUAL"
    unique = ["ALTER TABLE strategies DROP INDEX uq_strategies_symbol_live"] if db.dialect_name == "mysql" else []
    _damage(
        db,
        *unique,
        "ALTER TABLE strategies DROP COLUMN live",
        f"ALTER TABLE strategies ADD COLUMN live INTEGER GENERATED ALWAYS AS (CASE WHEN active THEN 1 END) {kept}",
        "ALTER TABLE strategies ADD CONSTRAINT uq_strategies_symbol_live UNIQUE (symbol, live)",
        sqlite=("strategies", "CASE WHEN deleted_at IS NULL THEN 1 END", "CASE WHEN active THEN 1 END"),
    )


def test_the_check_changes_nothing(db):
    with everything(db).connect() as connection:
        migrations.check(connection)
        assert not connection.in_transaction()
        assert migrations.check(connection) == []
