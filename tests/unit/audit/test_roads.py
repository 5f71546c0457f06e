"""Every road by which an audited row is written: the ORM engine tells of sixteen of twenty, and refuses the rest."""

import pytest
from sqlalchemy import select
from tests.audit_models import TABLES, AuditedDesk
from tests.audit_roads import ROADS, fill
from tests.unit.audit.trail import KeyedDatabase, made

from tradecore.audit import AuditEntry, guard, seal, verify
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
