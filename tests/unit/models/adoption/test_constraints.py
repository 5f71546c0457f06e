"""What a table of ours lacks is added before it is adopted into, and a row that contradicts it is named."""

import pytest
from sqlalchemy import event, inspect, text
from tests.unit.models.adoption.desk import adopted, old_and_new

from tradecore.db import Database
from tradecore.errors import Conflict
from tradecore.models import Strategy, StrategySubscription, Trade, migrations
from tradecore.models.adoption.constraints import completed, missing

KEY, CHECK = "fk_strategy_subscriptions_user_id", "ck_strategy_subscriptions_quantity_multiplier_positive"


def _without(db):
    """Take a foreign key and a CHECK away, as a dump without constraints would."""
    with db.engine.connect() as connection:
        if db.dialect_name != "sqlite":
            drop = "CONSTRAINT" if db.dialect_name == "postgresql" else "FOREIGN KEY"
            connection.execute(text(f"ALTER TABLE strategy_subscriptions DROP {drop} {KEY}"))
            connection.execute(text(f"ALTER TABLE strategy_subscriptions DROP CONSTRAINT {CHECK}"))
            connection.commit()
            return
        sql = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'strategy_subscriptions'").scalar()
        kept = [line for line in sql.splitlines() if KEY not in line and CHECK not in line]
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type = 'index'"
            " AND tbl_name = 'strategy_subscriptions'"
        ).all()
        connection.exec_driver_sql("DROP TABLE strategy_subscriptions")
        connection.exec_driver_sql("\n".join(kept))
        for _, index in rows:
            connection.exec_driver_sql(index)
        connection.commit()


def test_constraints_that_a_table_lacks_are_added(shared_database_url):
    with old_and_new(shared_database_url) as db:
        _without(db)
        assert len(migrations.check(db)) >= 2
        said = []
        event.listen(db.engine, "before_cursor_execute", lambda c, k, statement, *_: said.append(statement))
        report = adopted(db)
        assert set(report.table("strategy_subscriptions").added) == {KEY, CHECK}
        assert report.ready
        assert migrations.check(db) == []
        if db.dialect_name == "postgresql":
            steps = [line for line in said if "NOT VALID" in line or "VALIDATE" in line]
            assert [line.split()[-1] for line in steps[:2]] == ["VALID", "VALID"]
            assert len(steps) == 4
        assert adopted(db).table("strategy_subscriptions").added == ()


def test_a_row_that_contradicts_stops_it_and_changes_nothing(shared_database_url):
    with Database(shared_database_url) as db:
        migrations.upgrade(db)
        _without(db)
        strategy = db.run(_strategy)
        row = {"user_id": 404, "strategy_id": strategy}
        with db.engine.begin() as connection:
            connection.execute(StrategySubscription.__table__.insert(), row)
        with pytest.raises(Conflict, match="strategy_subscriptions"):
            completed(db, StrategySubscription.__table__)
        with db.engine.connect() as connection:
            names = [constraint.name for constraint in missing(connection, StrategySubscription.__table__)]
            assert db.dialect_name == "postgresql" or KEY in names  # there it stays NOT VALID, and guards new rows
            assert connection.execute(text("SELECT count(*) FROM strategy_subscriptions")).scalar() == 1
        with db.engine.begin() as connection:
            connection.execute(text("DELETE FROM strategy_subscriptions"))
        completed(db, StrategySubscription.__table__)
        assert migrations.check(db) == []


def _strategy(session):
    made = Strategy(symbol="ES")
    session.add(made)
    session.flush()
    return made.id


def test_a_partitioned_table_gets_its_foreign_key_back(postgres_url):
    with Database(postgres_url) as db:
        migrations.upgrade(db)
        with db.engine.begin() as connection:
            connection.execute(text("ALTER TABLE trades DROP CONSTRAINT fk_trades_strategy_id"))
        assert completed(db, Trade.__table__) == ["fk_trades_strategy_id"]
        assert completed(db, Trade.__table__) == []
        assert migrations.check(db) == []
        assert inspect(db.engine).has_table("trades")
