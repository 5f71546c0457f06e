"""Every road by which an audited row is written: the ORM engine tells of sixteen of twenty, and refuses the rest."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import delete, select
from tests.audit_models import TABLES, AuditedDesk, AuditedRule, AuditedTicket, labels
from tests.audit_roads import ROADS, fill
from tests.unit.audit.trail import KeyedDatabase, made

from tradecore.audit import AuditEntry, guard, install_triggers, seal, use_triggers, verify
from tradecore.context import bind
from tradecore.db import soft_delete
from tradecore.errors import ConfigurationError


@pytest.fixture
def db(shared_database_url):
    with KeyedDatabase(shared_database_url) as database:
        made(database, *TABLES)
        database.run(fill)
        yield database


def events(db, after=0):
    def read(session):
        rows = session.scalars(select(AuditEntry).where(AuditEntry.id > after).order_by(AuditEntry.id)).all()
        return [(row.action, row.resource_id, row.old_value, row.new_value, row.id) for row in rows]

    return db.run(read)


def tells(road, found):
    """Whether the log tells what the road says, and nothing of it twice."""
    for action, key, values in road.told:
        matching = [
            (old, new)
            for name, resource, old, new, _ in found
            if (name == action or (action == "label" and name == "desk.updated" and "labels" in (new or {})))
            and (key is None or resource == str(key))
            and (values is None or values.items() <= (old if action.endswith("deleted") else new).items())
        ]
        if len(matching) != 1:
            return False
    return True


def test_there_are_twenty():
    assert len(ROADS) == 20
    assert len([road for road in ROADS if not road.refused]) == 16


@pytest.mark.parametrize("road", [road for road in ROADS if not road.refused], ids=lambda road: road.name)
def test_the_session_tells_of(db, road):
    guard(db.engine)
    last = events(db)[-1][4]
    db.run(road.walk)
    found = events(db, last)
    assert tells(road, found), found
    seal(db)
    assert db.run(verify).faults == []


@pytest.mark.parametrize("road", [road for road in ROADS if road.refused], ids=lambda road: road.name)
def test_the_guard_refuses(db, road):
    guard(db.engine)
    before = len(events(db))
    with pytest.raises(ConfigurationError, match="is Audited"):
        db.run(road.walk)
    assert len(events(db)) == before
    assert db.run(lambda session: session.get_one(AuditedDesk, 11).seats) == 2


@pytest.fixture
def watched(db):
    """The same database, whose triggers tell."""
    with db.engine.begin() as connection:
        install_triggers(connection, AuditedDesk, AuditedTicket, AuditedRule, labels)
        install_triggers(connection, AuditedDesk)  # again: made anew
    assert use_triggers(db.engine) == {"desk", "ticket", "rule", "audited_desk_labels"}
    guard(db.engine)
    return db


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.name)
def test_triggers_tell_of(watched, road):
    last = events(watched)[-1][4]
    with bind(actor_type="user", actor_id="u-7", request_id="request-7", ip_address="203.0.113.9"):
        watched.run(road.walk)
    found = events(watched, last)
    unseen = road.by_database and watched.dialect_name == "mysql"  # its cascades fire no trigger
    assert tells_by_triggers(road, found) is not unseen, found
    for row in watched.run(lambda session: session.scalars(select(AuditEntry).where(AuditEntry.id > last)).all()):
        assert (row.actor_id, row.request_id, row.ip_address) == ("u-7", "request-7", "203.0.113.9")
        assert row.mac is None
    seal(watched)
    report = watched.run(verify)
    assert report.faults == []
    assert report.without_mac >= len(found)


def tells_by_triggers(road, found):
    if road.name == "link_table":
        return [row[3] for row in found if row[0] == "audited_desk_labels.created"] == [{"desk_id": 11, "label_id": 31}]
    return tells(road, found)


def test_another_program_is_seen_and_nobody_is_named_for_it(watched):
    with bind(actor_id="u-7"):
        watched.run(ROADS[0].walk)
    last = events(watched)[-1][4]
    with watched.engine.connect() as connection:
        cursor = connection.connection.driver_connection.cursor()
        cursor.execute("UPDATE audited_desks SET seats = 77 WHERE id = 12")
        cursor.close()
        connection.connection.driver_connection.commit()
    (row,) = watched.run(lambda session: session.scalars(select(AuditEntry).where(AuditEntry.id > last)).all())
    assert (row.action, row.resource_id, row.new_value, row.actor_id) == ("desk.updated", "12", {"seats": 77}, None)


def test_both_engines_spell_values_alike_and_keep_secrets(db):
    def write(session):
        desk = AuditedDesk(id=99, name="x'\"\\ü", holder="Ann", limit=Decimal("10.50"), open=False, api_key="hunter2")
        desk.opened_at, desk.facts = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), {"a": [1, None, "ü"]}
        session.add(desk)
        session.flush()
        desk.limit, desk.open, desk.facts, desk.opened_at = Decimal("0.5"), True, None, None
        session.flush()
        session.delete(desk)

    last = events(db)[-1][4]
    db.run(write)
    by_session = events(db, last)
    with db.engine.begin() as connection:
        install_triggers(connection, AuditedDesk)
    use_triggers(db.engine)
    last = events(db)[-1][4]
    db.run(write)
    by_triggers = events(db, last)

    def comparable(rows):
        return [(a, k, _without_fingerprints(old), _without_fingerprints(new)) for a, k, old, new, _ in rows]

    assert comparable(by_triggers) == comparable(by_session)
    assert len(by_session) == 3
    assert "hunter2" not in str(by_session) + str(by_triggers)
    rows = db.run(lambda session: session.scalars(select(AuditEntry).where(AuditEntry.id > last)).all())
    assert rows[0].personal == {"old": None, "new": {"holder": "Ann"}}
    assert "Ann" not in str(by_session) + str(by_triggers)


def _without_fingerprints(side):
    return side and {
        name: {"redacted": True} if isinstance(v, dict) and "redacted" in v else v for name, v in side.items()
    }


@pytest.mark.parametrize("engine", ["session", "triggers"])
def test_a_deletion_that_stays_and_a_restoration_are_told_as_what_they_are(db, engine):
    if engine == "triggers":
        with db.engine.begin() as connection:
            install_triggers(connection, AuditedRule)
        use_triggers(db.engine)
    db.run(lambda session: session.add_all([AuditedRule(id=5, name="r"), AuditedRule(id=6, name="s")]))
    last = events(db)[-1][4]
    batch = db.run(lambda session: soft_delete.delete(session, session.get_one(AuditedRule, 5)))
    db.run(lambda session: session.execute(delete(AuditedRule).where(AuditedRule.name == "s")))
    db.run(lambda session: soft_delete.restore(session, batch=batch, models=[AuditedRule]))
    found = [(action, key) for action, key, *_ in events(db, last) if key != "*"]
    assert found == [("rule.deleted", "5"), ("rule.deleted", "6"), ("rule.restored", "5")]
    seal(db)
    assert db.run(verify).faults == []
