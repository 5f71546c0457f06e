"""The ways between the models: loaded by the query or not at all, and a delete is followed by the database alone."""

import subprocess
import sys

import pytest
from sqlalchemy import event, inspect, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import joinedload, selectinload
from tests.sample_rows import insert_each

from tradecore.db import Database, soft_delete
from tradecore.models import (
    Base,
    BrokerConnection,
    Notification,
    OpenPosition,
    OrderOrigin,
    OrderRecord,
    RoutingRule,
    Strategy,
    Trade,
    User,
    WebhookLog,
    migrations,
    tables_for,
)
from tradecore.models.migrations.drift import tables_of

OURS = {*tables_of("core"), *tables_of("platform")}


@pytest.fixture
def db(shared_database_url):
    with Database(shared_database_url) as database:
        migrations.upgrade(database)
        with database.engine.begin() as connection:
            insert_each(connection, [table for table in Base.metadata.sorted_tables if table in OURS])
        yield database


def _ways():
    mappers = [m for m in Base.registry.mappers if m.class_.__module__.startswith("tradecore.")]
    return [getattr(mapper.class_, way.key) for mapper in mappers for way in mapper.relationships]


def test_every_way_can_be_loaded_in_one_statement_and_none_loads_by_itself(db):
    for way in _ways():
        model = way.class_

        def read(session, way=way, model=model):
            row = session.scalars(select(model)).first()
            with pytest.raises(InvalidRequestError, match="raise"):
                getattr(row, way.key)
            session.expunge_all()
            loaded = session.scalars(select(model).options(joinedload(way))).unique().first()
            return getattr(loaded, way.key)

        assert db.run(read) is not None, way  # every row has the rows that belong to it


def test_what_the_platform_reads_is_one_statement_for_each_collection(db):
    asked = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    def read(session):
        (trade,) = session.scalars(select(Trade).options(joinedload(Trade.strategy), joinedload(Trade.connection)))
        (connection,) = session.scalars(select(BrokerConnection).options(selectinload(BrokerConnection.rules)))
        (order,) = session.scalars(
            select(OrderRecord).options(selectinload(OrderRecord.events), selectinload(OrderRecord.fills))
        )
        return trade.strategy.symbol, connection.rules[0].name, len(order.events), len(order.fills)

    assert db.run(read) == ("symbol", "name", 1, 1)
    rows = [statement for statement in asked if statement.startswith("SELECT") and ".id" in statement]
    assert len(rows) == 6


def test_deleting_a_row_leaves_the_rest_to_the_databases_rules(db):
    asked = []

    def delete(session):
        strategy = session.scalars(select(Strategy)).one()
        event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
        soft_delete.erase(session, strategy)

    db.run(delete)
    written = [statement for statement in asked if statement.startswith(("UPDATE", "DELETE", "SELECT"))]
    assert len(written) == 1, "the children were looked at, one by one"
    with db.transaction() as session:
        assert session.scalars(select(Trade)).all() == session.scalars(select(RoutingRule)).all() == []
        assert session.scalars(select(OpenPosition)).all() == []  # CASCADE
        assert session.scalars(select(WebhookLog.strategy_id)).all() == [None]  # SET NULL
        assert session.scalars(select(Notification.trade_id)).all() == [None]
        assert session.scalars(select(OrderOrigin.strategy_id)).all() == [None]
        assert session.scalars(select(BrokerConnection)).all()


def test_a_row_may_be_written_by_the_row_it_belongs_to(db):
    def write(session):
        strategy = Strategy(symbol="by-object")
        session.add(RoutingRule(strategy=strategy, connection=session.scalars(select(BrokerConnection)).one()))
        session.flush()  # the strategy first, whatever the order they were added in
        return strategy.id

    strategy_id = db.run(write)
    found = select(RoutingRule.strategy_id).where(RoutingRule.name == "")
    assert db.run(lambda session: session.scalars(found).one()) == strategy_id


def test_a_part_of_the_schema_can_be_had_alone(sqlite_url):
    wanted = tables_for(Trade)
    assert [table.name for table in wanted] == ["strategies", "tc_audit_log", "users", "broker_connections", "trades"]
    with Database(sqlite_url) as db:
        Base.metadata.create_all(db.engine, tables=tables_for(Trade, Notification))
        there = set(inspect(db.engine).get_table_names())
        assert there == {table.name for table in wanted} | {"webhook_logs", "notifications"}

        def write(session):
            user = User(name="Ada")
            session.add(Notification(user=user, type="system", title="Hello"))

        db.run(write)
        assert db.run(lambda session: session.scalars(select(Notification.title)).all()) == ["Hello"]
    assert [table.name for table in tables_for(OrderRecord)] == ["tc_inbox", "tc_orders"]


_A_HOST = """
from sqlalchemy.orm import configure_mappers
from tradecore.db import Base
from tradecore.models import RoutingRule, Trade

for name in ("Strategy", "Trade", "RoutingRule", "Review", "User"):
    type(name, (Base,), {"__tablename__": f"their_{name.lower()}", "__module__": "host"})
configure_mappers()
assert Trade.strategy.property.mapper.class_.__module__ == "tradecore.models.strategies"
"""


def test_a_host_may_have_models_of_the_same_names():
    done = subprocess.run([sys.executable, "-c", _A_HOST], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
