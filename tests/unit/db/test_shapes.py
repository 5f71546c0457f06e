"""Text with a shape is refused or spelled one way, the same on every database; money is whole cents."""

from datetime import UTC, time
from decimal import Decimal
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Mapped, mapped_column

from tradecore.db import Base, Cents, Currency, Database, Email, IpAddress, TimeOfDay, TimeZone
from tradecore.db.constraints import at_least_zero, both_or_neither, in_order, positive, time_of_day

DIALECT = sqlite.dialect()


class Shaped(Base):
    __tablename__ = "test_shaped"
    __table_args__ = (
        *positive("whole", whole=True),
        *at_least_zero("cents", whole=True),
        *time_of_day("opens", "closes"),
        *both_or_neither("opens", "closes", name="hours_paired"),
        *in_order("whole", "later"),
    )

    email: Mapped[str | None] = mapped_column(Email, unique=True)
    ip: Mapped[str | None] = mapped_column(IpAddress)
    any_ip: Mapped[str | None] = mapped_column(IpAddress(forgiving=True))
    currency: Mapped[str | None] = mapped_column(Currency)
    zone: Mapped[str | None] = mapped_column(TimeZone)
    opens: Mapped[str | None] = mapped_column(TimeOfDay)
    closes: Mapped[str | None] = mapped_column(TimeOfDay)
    cents: Mapped[int | None] = mapped_column(Cents)
    whole: Mapped[int | None]
    later: Mapped[int | None]


@pytest.fixture
def db(database_url):
    with Database(database_url) as database:
        Base.metadata.create_all(database.engine, tables=[Shaped.__table__])
        yield database


def _refused(db, match=None, error=StatementError, **values):
    with pytest.raises(error, match=match):
        db.run(lambda session: session.add(Shaped(**values)))


def test_what_has_the_shape_comes_back_in_its_one_spelling(db):
    given = {"email": "Ada@Example.ORG", "ip": "2001:DB8:0::1", "any_ip": "::ffff:192.0.2.7", "currency": "EUR"}
    given |= {"zone": "Europe/Berlin", "opens": time(21, 30), "closes": "07:00", "cents": -(0) + 2**62}
    db.run(lambda session: session.add(Shaped(**given)))
    row = db.run(lambda session: session.scalars(select(Shaped)).one())
    assert (row.email, row.ip, row.any_ip) == ("ada@example.org", "2001:db8::1", "192.0.2.7")
    assert (row.currency, row.zone, row.opens, row.closes) == ("EUR", "Europe/Berlin", "21:30", "07:00")
    assert row.cents == 2**62
    assert db.run(lambda session: session.scalar(select(Shaped.id).where(Shaped.ip == "2001:db8:0:0::1"))) == row.id


def test_what_has_not_the_shape_is_refused_on_every_database(db):
    _refused(db, "e-mail", email="ada")
    _refused(db, "IP address", ip="testclient")
    _refused(db, "three capital letters", currency="usd")
    _refused(db, "time zone", zone="Mars/Olympus")
    _refused(db, "HH:MM", opens="24:00", closes="07:00")
    _refused(db, "whole number of cents", cents=1.5)
    _refused(db, error=DBAPIError, opens="21:30")  # one without the other
    _refused(db, error=DBAPIError, cents=-1)
    _refused(db, error=DBAPIError, whole=0)
    _refused(db, error=DBAPIError, whole=2, later=2)


def test_a_program_beside_the_models_cannot_write_a_time_that_is_none(db):
    for wrong in ("24:00", "7:00", "07.00", "ab:cd", "99:99"):
        with pytest.raises(DBAPIError), db.engine.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO test_shaped (id, opens, closes) VALUES (1, '{wrong}', '07:00')")


def test_addresses_that_other_collations_take_for_one_are_two(db):
    db.run(lambda s: s.add_all([Shaped(email="jose@example.org"), Shaped(email="josé@example.org")]))
    assert db.run(lambda s: s.scalar(select(func.count()).select_from(Shaped))) == 2


def test_money_adds_up_to_an_int(db):
    db.run(lambda s: s.add_all([Shaped(cents=2**53 + 1), Shaped(cents=2), Shaped(cents=None)]))
    total, most = db.run(lambda s: s.execute(select(func.sum(Shaped.cents), func.max(Shaped.cents))).one())
    assert (total, type(total), most) == (2**53 + 3, int, 2**53 + 1)
    assert db.run(lambda s: s.scalars(select(Shaped.cents).where(Shaped.cents * Decimal("0.5") < 2)).all()) == [2]


@pytest.mark.parametrize("amount", [1.0, Decimal(1), "1", True, 2**63, -(2**63) - 1])
def test_what_is_no_amount_of_cents_is_refused(amount):
    with pytest.raises(ValueError, match="amount"):
        Cents().process_bind_param(amount, DIALECT)


LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-+_", min_size=1, max_size=20)


@given(LABEL, st.lists(LABEL, min_size=1, max_size=4))
def test_ordinary_addresses_are_taken(name, labels):
    address = f"{name}@{'.'.join(labels)}"
    assert Email().process_bind_param(address.upper(), DIALECT) == address


NO_ADDRESSES = ["", "@", "a@", "@b", "a@b@c", "a b@c.de", "a@b..c", "a@.b", "a@b.", "a@b\n", "\x00a@b.c", "a@b\ud800.c"]
NO_ADDRESSES += ["x" * 65 + "@b.cd", "a@" + "b" * 260, "é" * 40 + "@b.cd", "a@" + ".".join(["ü" * 40] * 4)]


@pytest.mark.parametrize("wrong", NO_ADDRESSES)
def test_what_is_no_address_is_refused_without_being_repeated(wrong):
    with pytest.raises(ValueError, match="address") as caught:
        Email().process_bind_param(wrong, DIALECT)
    assert len(wrong) < 3 or wrong not in str(caught.value)


@given(st.ip_addresses())
def test_every_spelling_of_an_ip_address_is_one(address):
    def spelled(text):
        return IpAddress().process_bind_param(text, DIALECT)

    once = spelled(str(address))
    assert spelled(address) == spelled(address.exploded) == spelled(str(address).upper()) == once
    assert len(once) <= 45
    if not (isinstance(address, IPv6Address) and address.ipv4_mapped):
        assert ip_address(once) == address


def test_a_zone_index_is_no_part_of_an_address():
    assert IpAddress().process_bind_param("fe80::1%eth0", DIALECT) == "fe80::1"


@given(st.text(max_size=60))
def test_a_record_that_must_be_written_is_written_whatever_the_peer_is_called(text):
    stored = IpAddress(forgiving=True).process_bind_param(text, DIALECT)
    assert stored is None or ip_address(stored)


@given(st.text(max_size=8))
def test_other_text_is_no_time_of_day_currency_or_zone(text):
    for kind in (TimeOfDay(), Currency(), TimeZone()):
        try:
            assert kind.process_bind_param(text, DIALECT) == text
        except ValueError:
            continue
        assert text.isascii()


@pytest.mark.parametrize("wrong", [time(1, 2, 3), time(1, 2, tzinfo=UTC)])
def test_a_time_of_day_has_neither_seconds_nor_a_zone(wrong):
    with pytest.raises(ValueError, match="hours and minutes"):
        TimeOfDay().process_bind_param(wrong, DIALECT)


@pytest.mark.parametrize("wrong", ["../../etc/passwd", "america/new_york", "EST5EDT ", ""])
def test_a_zone_is_named_as_it_is_written(wrong):
    with pytest.raises(ValueError, match="no time zone"):
        TimeZone().process_bind_param(wrong, DIALECT)
