"""Old databases of other kinds: odd keys, references to themselves, units and zones that nothing tells."""

import sqlite3
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from tradecore.db import Database, time_of
from tradecore.errors import ConfigurationError, InvalidInput
from tradecore.models import Instrument, Strategy, User, migrations
from tradecore.models.adoption import Declaration, adopt, books


@pytest.fixture
def desk(tmp_path):
    with Database(f"sqlite:///{tmp_path / 'new.db'}") as db:
        migrations.upgrade(db)
        yield db


@pytest.fixture
def old(tmp_path):
    """Return a function that makes an old database from SQL, and returns its address."""

    def made(*statements, parameters=()):
        file = tmp_path / "old.db"
        with sqlite3.connect(file) as connection:
            for statement in statements:
                connection.execute(statement, parameters if "?" in statement else ())
        connection.close()
        return f"sqlite:///{file}"

    return made


def applied(db, url, declared=None, **options):
    declaration = Declaration.of({"zone": "UTC", **(declared or {})})
    return adopt(db, source=url, declaration=declaration, apply=True, backup_taken=True, **options)


INSTRUMENTS = """CREATE TABLE instruments (id INTEGER PRIMARY KEY, symbol TEXT, tickSize REAL, frontMonthOf INT,
    createdAt TEXT)"""


def test_a_table_that_refers_to_itself_is_completed_in_a_second_pass(desk, old):
    rows = "INSERT INTO instruments VALUES (1, 'ESZ4', 0.25, 3, '2024-01-01'), (2, 'ESH5', 0.25, 1, '2024-01-02'), "
    rows += "(3, 'ES', 0.25, NULL, '2024-01-03'), (4, '', -1, 3, '2024-01-04'), (5, 'NQZ4', 0.25, 4, '2024-01-05'), "
    rows += "(6, 'YM', 1, 99, '2024-01-06')"
    url = old(INSTRUMENTS, rows)
    rules = {"check_failed": "quarantine", "orphan": "null"}
    for chunk in (1, 2):
        assert applied(desk, url, {"rules": rules}, chunk=chunk).ready
    with desk.transaction() as session:
        found = {instrument.symbol: instrument for instrument in session.scalars(select(Instrument))}
        assert found["ESZ4"].front_month_of == found["ES"].id
        assert found["ESH5"].front_month_of == found["ESZ4"].id
        assert found["NQZ4"].front_month_of is None  # its parent is in the quarantine
        assert found["YM"].front_month_of is None
        assert found["ESZ4"].updated_at == found["ESZ4"].created_at  # completed, not changed
    strict = Declaration.of({"zone": "UTC", "rules": {**rules, "parent_quarantined": "fail"}})
    assert adopt(desk, source=url, declaration=strict).unruled == 1


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("code TEXT PRIMARY KEY", ["'ä b'", "'a'", "'Z'"]),
        ("a INT, b TEXT, PRIMARY KEY (a, b)", ["1, 'x'", "1, 'y'", "2, 'a'"]),
        ("at TIMESTAMP PRIMARY KEY", ["'2024-01-01 00:00:00.000000'", "'2024-01-02 00:00:00.000000'", "'2024-02-01'"]),
    ],
)
def test_keys_of_any_form_are_walked_in_small_steps(desk, old, key, values):
    columns, _, constraint = key.partition(", PRIMARY")
    last = f", PRIMARY{constraint}" if constraint else ""
    table = f"CREATE TABLE strategies ({columns}, symbol TEXT, createdAt TEXT{last})"
    rows = ", ".join(f"({value}, 'S{number}', '2024-01-01')" for number, value in enumerate(values))
    report = applied(desk, old(table, f"INSERT INTO strategies VALUES {rows}"), chunk=1)
    assert report.ready
    with desk.transaction() as session:
        made = list(session.scalars(select(Strategy).order_by(Strategy.symbol)))
        assert [strategy.symbol for strategy in made] == ["S0", "S1", "S2"]
        assert len({strategy.id for strategy in made}) == 3
        assert {time_of(strategy.id) for strategy in made} == {datetime(2024, 1, 1, tzinfo=UTC)}


def test_thousands_made_in_one_millisecond_have_ids_of_their_own(desk, old):
    rows = ", ".join(f"({n * 4194304}, 'S{n}', '2024-01-01')" for n in range(1, 60))  # the low 22 bits are all alike
    url = old("CREATE TABLE strategies (id INTEGER PRIMARY KEY, symbol TEXT, createdAt TEXT)")
    report = applied(desk, old(f"INSERT INTO strategies VALUES {rows}"), chunk=25)
    assert report.ready
    assert report.table("strategies").proof.adopted == 59
    assert applied(desk, url).ready


def test_everything_unclear_is_asked_at_once(desk, old):
    url = old(
        "CREATE TABLE strategies (symbol TEXT, createdAt TEXT)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, startingCapital INTEGER, createdAt INTEGER, userName TEXT)",
        "CREATE TABLE Trades (id INTEGER PRIMARY KEY, createdAt TEXT)",
    )
    with pytest.raises(ConfigurationError) as caught:
        adopt(desk, source=url, declaration=Declaration.of({"tables": {"users": {"columns": {"nme": "userName"}}}}))
    said = "\n".join(detail["message"] for detail in caught.value.details)
    for part in (
        "strategies has no primary key",
        "createdAt keeps times without an offset: declare the zone",
        "startingCapital may count cents or whole units",
        "createdAt keeps a time as a number: declare its unit",
        "users: there is no column 'nme'",
        "trades: strategy_id needs a value",
    ):
        assert part in said
    assert "no table to adopt" in str(_refused(desk, old, "CREATE TABLE other (id INTEGER PRIMARY KEY)"))


def _refused(desk, old, statement):
    import pathlib

    pathlib.Path(old().removeprefix("sqlite:///")).unlink()
    with pytest.raises(ConfigurationError) as caught:
        adopt(desk, source=old(statement))
    return caught.value.message


def test_declared_units_defaults_and_words(desk, old):
    url = old(
        "CREATE TABLE people (no INTEGER PRIMARY KEY, mail TEXT, capital INTEGER, made INTEGER, kind TEXT)",
        "INSERT INTO people VALUES (1, 'A@b.example', 250, 1700000000, 'boss'), (2, NULL, NULL, 1700000001, NULL)",
    )
    declared = {
        "source": "people",
        "columns": {
            "email": "mail",
            "starting_capital_cents": {"from": "capital", "unit": "units"},
            "created_at": {"from": "made", "unit": "seconds"},
            "role": "kind",
        },
        "values": {"role": {"boss": "admin"}},
        "defaults": {"name": "somebody", "account_size_cents": 700},
    }
    report = applied(desk, url, {"tables": {"users": declared}})
    assert report.ready
    with desk.transaction() as session:
        boss, other = session.scalars(select(User).order_by(User.id))
        assert (boss.email, boss.starting_capital_cents, boss.role) == ("a@b.example", 25_000, "admin")
        assert (other.name, other.account_size_cents, other.role) == ("somebody", 700, "user")
        assert boss.created_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_bytes_that_are_no_text_and_keys_that_are_secret(desk, old):
    url = old(
        "CREATE TABLE strategies (api_token TEXT PRIMARY KEY, symbol TEXT, name TEXT, createdAt TEXT)",
        "INSERT INTO strategies VALUES ('sk-1', 'A', CAST(? AS TEXT), '2024-01-01')",
        parameters=(b"\xff\xfe",),
    )
    with pytest.raises(InvalidInput, match="bad_text") as caught:
        applied(desk, url)
    assert "sk-1" not in caught.value.message
    report = applied(desk, url, {"rules": {"bad_text": "quarantine"}})
    (finding,) = [entry for entry in report.as_dict()["tables"][0]["findings"] if entry["kind"] == "bad_text"]
    assert finding["keys"] == ["***"]
    with desk.engine.connect() as connection:
        kept = connection.execute(select(books.quarantine.c.row_values)).scalar_one()
    assert kept["symbol"] == "A"


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"zone": "Mars/Base"}, "no time zone"),
        ({"rules": {"orphn": "null"}}, "is no finding"),
        ({"rules": {"duplicate": "truncate"}}, "takes fail, merge, null, quarantine"),
        ({"rules": {"naive_time": "null"}}, "takes no rule"),
        ({"tables": {"users": {"sorce": "people"}}}, "users.sorce"),
        ({"oldest": "1900-01-01T00:00:00Z"}, "1950"),
    ],
)
def test_a_declaration_that_is_wrong_says_where(declared, told, tmp_path):
    with pytest.raises(InvalidInput, match=told):
        Declaration.of(declared)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Declaration.read(tmp_path / "nowhere.toml")


def test_old_tables_in_a_schema_of_their_own(postgres_url):
    with Database(postgres_url) as db:
        migrations.upgrade(db)
        with db.engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA before"))
            connection.execute(
                text('CREATE TABLE before.strategies (id uuid PRIMARY KEY, symbol text, "createdAt" timestamptz)')
            )
            connection.execute(
                text(
                    "INSERT INTO before.strategies SELECT gen_random_uuid(), 'S' || n, "
                    "'2024-03-01 12:00+02' FROM generate_series(1, 9) n"
                )
            )
        options = {"schema": "before", "apply": True, "backup_taken": True}
        report = adopt(db, chunk=2, only=["strategies"], **options)
        assert report.ready
        assert report.table("strategies").proof.adopted == 9
        with db.transaction() as session:
            assert {s.created_at for s in session.scalars(select(Strategy))} == {datetime(2024, 3, 1, 10, tzinfo=UTC)}
