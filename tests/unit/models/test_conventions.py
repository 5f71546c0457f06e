"""What every table of the schema keeps to, read from the metadata: a table added tomorrow is held to it as well."""

import re
from datetime import datetime

import pytest
from sqlalchemy import (
    CheckConstraint,
    Date,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Integer,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    types,
)
from sqlalchemy.orm import RelationshipProperty, configure_mappers

from tradecore.db import (
    Cents,
    Currency,
    Email,
    EnumString,
    ExactDecimal,
    ExactString,
    IpAddress,
    Json,
    TimeZone,
    UtcDateTime,
    Words,
)
from tradecore.db.base import NAMING
from tradecore.models import NO_FOREIGN_KEY, Base
from tradecore.models.migrations.drift import tables_of

TABLES = sorted([*tables_of("core"), *tables_of("platform")], key=lambda table: table.name)
COLUMNS = [column for table in TABLES for column in table.columns]
every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)

# Numbers that others report are written down as they came, and a record that refused would lose them.
REPORTED = {
    "reconciliation_items": {"our_quantity", "broker_quantity", "our_price", "broker_price"},
    "tc_orders": {"average_price"},
}
AMOUNTS = re.compile(
    r"(^|_)(quantity|price|multiplier|leverage|correlation|drawdown|volume)$|^(fixed|max_(?!attempts))"
    r"|_(limit|threshold|requirement|ratio|percentage|ms)$|^percent_|^risk_per|signal_count$"
)
# A loss, a rebate and a margin account are below zero; what is reserved is counted up and down by the program alone.
SIGNED = re.compile(r"pnl|commission|^balance|risk_reserved")


def _checks(table):
    return [check for check in table.constraints if isinstance(check, CheckConstraint)]


def _checked(table, column):
    return any(re.search(rf"\b{column}\b", str(check.sqltext)) for check in _checks(table))


def _key(column):
    return f"{column.table.name}.{column.name}"


@every_table
def test_names_are_plain_and_follow_the_convention(table):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", table.name)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", column.name) for column in table.columns)
    prefixes = {UniqueConstraint: "uq", ForeignKeyConstraint: "fk", CheckConstraint: "ck"}
    named = [(prefix, c) for kind, prefix in prefixes.items() for c in table.constraints if isinstance(c, kind)]
    named += [("ix", index) for index in table.indexes]
    assert table.metadata.naming_convention == NAMING
    for prefix, one in named:
        name = str(one.name)
        assert name.startswith(f"{prefix}_{table.name}_"), name
        assert len(name) <= 63, f"{name}: PostgreSQL would cut it"


@every_table
def test_the_id_is_the_key_and_rows_say_when_they_were_written(table):
    if table.name == "tc_leases":
        return  # named by what it leases: the mint of ids stands on it
    if table.name == "tc_audit_leaves":
        return  # its seal says when, once for a thousand of them
    assert [column.name for column in table.primary_key] == ["id"]
    assert isinstance(table.c.id.type, types.BigInteger)
    only_added = {"tc_audit_log", "tc_audit_seals", "tc_audit_checkpoints", "tc_order_events", "tc_reviews"}
    assert table.name in only_added or {"created_at", "updated_at"} <= set(table.columns.keys())
    assert table.name not in only_added or "at" in table.columns


@every_table
def test_every_foreign_key_says_what_happens_on_delete_and_an_index_serves_it(table):
    leading = {index.columns[0].name for index in table.indexes}
    leading |= {c.columns[0].name for c in table.constraints if isinstance(c, UniqueConstraint)}
    for key in table.foreign_keys:
        assert key.ondelete in ("CASCADE", "SET NULL", "RESTRICT"), key
        assert key.ondelete != "SET NULL" or key.parent.nullable, f"{key.parent} cannot become NULL"
        assert key.parent.name in leading, f"{key.parent} has no index"


def test_every_id_that_leads_nowhere_has_its_reason():
    bare = {_key(column) for column in COLUMNS if column.name.endswith("_id") and not column.foreign_keys}
    assert bare == set(NO_FOREIGN_KEY)
    assert all(len(reason) > 10 for reason in NO_FOREIGN_KEY.values())


def test_the_core_knows_nothing_of_the_platform():
    for table in tables_of("core"):
        assert {key.column.table.name[:3] for key in table.foreign_keys} <= {"tc_"}


def test_there_is_no_float_and_nothing_that_is_one_on_some_database():
    for column in COLUMNS:
        kind = column.type
        assert not isinstance(kind, Float | types.Double), _key(column)
        if isinstance(kind, Numeric) or isinstance(getattr(kind, "impl", None), Numeric):
            assert isinstance(kind, ExactDecimal), f"{_key(column)}: NUMERIC is a float on SQLite"


def test_instants_know_their_zone_and_end_in_at():
    for column in COLUMNS:
        kind = column.type
        if column.name.endswith("_at") or column.name in ("at", "lease_until", "keep_until", "send_by"):
            assert isinstance(kind, UtcDateTime), _key(column)
        elif isinstance(kind, UtcDateTime | DateTime | Date):
            assert _key(column) == "benchmarks.date", f"{_key(column)}: an instant ends in _at"
        assert not isinstance(kind, DateTime), _key(column)


def test_money_is_whole_cents():
    for column in COLUMNS:
        assert column.name.endswith("_cents") == isinstance(column.type, Cents), _key(column)


def test_words_of_closed_lists_are_checked_in_python_and_not_by_the_database():
    for column in COLUMNS:
        assert not isinstance(column.type, types.Enum), _key(column)
        if isinstance(column.type, EnumString):
            assert column.type.kind.__module__.startswith("tradecore."), _key(column)
    free = {"tc_fills.liquidity", "tc_inbox.outcome", "users.subscription_status"}
    for column in COLUMNS:
        if column.name in ("status", "state", "direction", "side", "type", "role", "theme", "outcome", "finding"):
            assert isinstance(column.type, EnumString) or _key(column) in free, _key(column)


def test_keys_from_outside_compare_byte_for_byte():
    for column in COLUMNS:
        text = isinstance(column.type, String | Words) or isinstance(getattr(column.type, "impl", None), String)
        if text and (column.name.endswith("_id") or column.unique or column.name in ("key", "symbol", "source")):
            told = {"request_id", "correlation_id"}  # read by people, never looked up
            assert isinstance(column.type, ExactString | EnumString) or column.name in told, _key(column)


def test_json_is_of_the_one_type():
    for column in COLUMNS:
        assert not isinstance(column.type, types.JSON), _key(column)
        if column.name in ("payload", "args", "body", "signal", "receipt", "old_value", "new_value", "evidence"):
            assert isinstance(column.type, Json), _key(column)


def test_what_has_a_shape_is_checked_for_it():
    wanted = {"email": Email, "email_address": Email, "currency": Currency, "timezone": TimeZone, "tz": TimeZone}
    for column in COLUMNS:
        kind = wanted.get(column.name) or (TimeZone if column.name.endswith("_timezone") else None)
        assert kind is None or isinstance(column.type, kind), _key(column)
        if column.name == "ip_address" and column.table.name != "tc_audit_log":
            assert isinstance(column.type, IpAddress), _key(column)
        if column.name == "ip_address":
            assert (getattr(column.type, "length", None) or column.type.impl.length) == 45
    assert Email().length == 254


def test_texts_have_the_lengths_that_were_agreed():
    for column in COLUMNS:
        if column.name == "name" and isinstance(column.type, String) and not isinstance(column.type, Text):
            assert column.type.length == 100, _key(column)
        if column.name in ("symbol", "broker_symbol", "benchmark_symbol"):
            assert column.type.length == (100 if column.table.name == "strategies" else 50), _key(column)


@every_table
def test_quantities_prices_and_limits_are_checked(table):
    for column in table.columns:
        number = isinstance(column.type, ExactDecimal | Cents | Integer) and not column.foreign_keys
        amount = AMOUNTS.search(column.name) or isinstance(column.type, Cents)
        if number and amount and not SIGNED.search(column.name) and column.name not in REPORTED.get(table.name, ()):
            assert _checked(table, column.name), f"{_key(column)} may be negative"


@every_table
def test_what_begins_and_ends_is_in_order(table):
    names = set(table.columns.keys())
    for first in names:
        for start, end in (("start", "end"), ("started", "ended"), ("opened", "closed"), ("entry", "exit")):
            last = re.sub(rf"(^|_){start}_at$", rf"\1{end}_at", first)
            if last != first and last in names and table.name != "open_positions":
                both = [c for c in _checks(table) if first in str(c.sqltext) and last in str(c.sqltext)]
                assert both, f"{table.name}: {first} may come after {last}"


def test_no_relationship_loads_by_itself_and_none_but_the_database_follows_a_delete():
    configure_mappers()
    seen = 0
    for mapper in Base.registry.mappers:
        if not mapper.class_.__module__.startswith("tradecore."):
            continue
        for way in mapper.relationships:
            assert isinstance(way, RelationshipProperty)
            assert way.lazy == "raise", way
            assert way.viewonly or way.direction.name == "MANYTOONE", f"{way} would act when a row is deleted"
            assert not way.cascade.delete, way
            assert not way.cascade.delete_orphan, way
            seen += 1
    assert seen > 50


def test_partitioned_tables_are_those_that_grow_without_end():
    by = {table.name: table.info["partition_by"] for table in TABLES if "partition_by" in table.info}
    assert by == {"trades": "year", "webhook_logs": "month", "notifications": "month", "tc_audit_log": "month"}
    for table in TABLES:
        if "partition_by" in table.info:
            assert not [c for c in table.constraints if isinstance(c, UniqueConstraint)]


def test_the_type_map_leaves_no_annotation_to_the_databases_taste():
    assert isinstance(Base.registry.type_annotation_map[datetime], UtcDateTime)
