"""What goes into a column comes out of it, the same on every database."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, inspect, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Mapped, mapped_column

from tradecore.db import Base, Database, EnumString, ExactDecimal, ExactString, Json, Words
from tradecore.db.constraints import positive
from tradecore.errors import UniqueViolation
from tradecore.models import User, tables_for


class Colour(StrEnum):
    RED = "red"


class Sample(Base):
    __tablename__ = "test_samples"
    __table_args__ = (*positive("checked"),)

    at: Mapped[datetime | None]
    number: Mapped[Decimal | None]
    checked: Mapped[Decimal | None]
    document: Mapped[object | None] = mapped_column(Json)
    key: Mapped[str | None] = mapped_column(ExactString(40), unique=True)
    colour: Mapped[Colour | None] = mapped_column(EnumString(Colour))
    short: Mapped[str | None] = mapped_column(Words(10))
    long: Mapped[str | None] = mapped_column(Words)


@pytest.fixture
def db(database_url):
    with Database(database_url) as database:
        Base.metadata.create_all(database.engine, tables=[Sample.__table__, *tables_for(User)])
        yield database


def _back(db, **values):
    def write(session):
        row = Sample(**values)
        session.add(row)
        session.flush()
        return row.id

    key = db.run(write)
    row = db.run(lambda session: session.get_one(Sample, key))
    return {name: getattr(row, name) for name in values}


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC),
        datetime(2018, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, tzinfo=timezone(timedelta(hours=-4))),
    ],
)
def test_an_instant_keeps_its_microseconds_and_comes_back_in_utc(db, moment):
    back = _back(db, at=moment)["at"]
    assert back == moment
    assert back.utcoffset() == timedelta(0)


def test_a_naive_datetime_is_refused(db):
    with pytest.raises(StatementError, match="must be aware"):
        _back(db, at=datetime(2026, 1, 1))


EXTREMES = ["0", "1", "-1", "0.1", "189.50", "-0.000000000000000001", "12345678901234567.123456789012345678"]
EXTREMES += ["99999999999999999999.999999999999999999", "-99999999999999999999.999999999999999999"]


def test_decimals_come_back_digit_for_digit_and_sort_as_numbers(db):
    numbers = [Decimal(text) for text in EXTREMES]
    assert [_back(db, number=number)["number"] for number in numbers] == numbers
    ordered = db.run(lambda session: session.scalars(select(Sample.number).order_by(Sample.number)).all())
    assert ordered == sorted(numbers)
    above = db.run(lambda s: s.scalars(select(Sample.number).where(Sample.number > Decimal("0.1"))).all())
    assert sorted(above) == sorted(number for number in numbers if number > Decimal("0.1"))
    assert db.run(lambda s: s.scalar(select(func.min(Sample.number)))) == min(numbers)


@pytest.mark.parametrize("wrong", [0.1, Decimal("NaN"), Decimal("1e-19"), Decimal("1e20"), "x"])
def test_what_is_not_exact_is_refused(db, wrong):
    with pytest.raises(StatementError):
        _back(db, number=wrong)


_exact = st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20) + 1, max_value=10**20 - 1)


@given(_exact, _exact)
def test_sqlite_text_orders_as_the_numbers_do(first, second):
    kind, dialect = ExactDecimal(), sqlite.dialect()
    texts = [kind.process_bind_param(number, dialect) for number in (first, second)]
    assert (texts[0] < texts[1]) == (first < second)
    assert [kind.process_result_value(text, dialect) for text in texts] == [first, second]


def test_a_check_over_decimals_holds_everywhere(db):
    _back(db, checked=Decimal("0.000000000000000001"))
    for wrong in (Decimal(0), Decimal(-5)):
        with pytest.raises(DBAPIError):
            _back(db, checked=wrong)


def test_keys_compare_byte_for_byte(db):
    keys = ["a", "A", "a ", "a  ", "ä", "a\u0308", "ß", "ss", "𝔸"]
    for key in keys:
        assert _back(db, key=key) == {"key": key}
    for key in keys:
        assert db.run(lambda s, key=key: s.scalars(select(Sample.key).where(Sample.key == key)).all()) == [key]
    with pytest.raises(UniqueViolation):
        _back(db, key="a ")


@pytest.mark.parametrize("wrong", ["x" * 41, "nul\0", "\ud800"])
def test_a_key_that_some_database_would_change_is_refused(db, wrong):
    with pytest.raises(StatementError):
        _back(db, key=wrong)


def test_json_comes_back_and_what_jsonb_refuses_is_replaced(db):
    document = {"a": [1, None, {"b": "ü"}], "c": "1.10"}
    assert _back(db, document=document) == {"document": document}
    assert _back(db, document={"price": Decimal("1.10"), "bad": "a\0b\ud800"}) == {
        "document": {"price": "1.1", "bad": "a\ufffdb\ufffd"}
    }
    assert _back(db, document=None) == {"document": None}
    assert db.run(lambda s: s.scalar(select(func.count()).where(Sample.document.is_(None)))) == 1


def test_evidence_of_any_kind_can_be_written_down(db):
    odd = {"nan": float("nan"), "inf": float("-inf"), "at": datetime(2026, 1, 1, tzinfo=UTC), "kind": Colour, 5: b"x"}
    back = _back(db, document=odd)["document"]
    assert back["nan"] == "nan"
    assert back["inf"] == "-inf"
    assert back["at"] == "2026-01-01T00:00:00+00:00"
    assert set(back) == {"nan", "inf", "at", "kind", "5"}


def test_words_from_outside_are_made_to_fit(db):
    back = _back(db, short="insufficient\0 funds", long="x" * 20_000 + "\ud800")
    assert back == {"short": "insuffici…", "long": "x" * 15_999 + "…"}
    assert _back(db, short="ok\0", long="\ud800") == {"short": "ok\ufffd", "long": "\ufffd"}


def test_enums_are_stored_by_value_and_checked(db):
    assert _back(db, colour="red") == {"colour": Colour.RED}
    with pytest.raises(StatementError):
        _back(db, colour="blue")


def test_an_email_is_one_whatever_its_case(db):
    db.run(lambda session: session.add(User(email="Ada@Example.org")))
    assert db.run(lambda s: s.scalars(select(User.email).where(User.email == "ADA@example.ORG")).one())
    with pytest.raises(UniqueViolation):
        db.run(lambda session: session.add(User(email="ada@example.org")))


def test_reading_an_enum_this_release_does_not_know_says_so(db):
    _back(db, key="k", colour="red")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE test_samples SET colour = 'mauve'")
    with pytest.raises(ValueError, match="mauve"):
        db.run(lambda session: session.scalars(select(Sample.colour)).all())
    assert inspect(db.engine).has_table("test_samples")
