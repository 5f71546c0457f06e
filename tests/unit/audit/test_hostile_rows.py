"""Rows that nobody who writes events writes: they are named, and neither verification nor the sealer stops at them."""

import pytest
from tests.unit.audit.trail import KeyedDatabase, found, made, seal, sealed, sql, tampering, write, write_personal

from tradecore.audit import AuditEntry, record
from tradecore.context import bind
from tradecore.db import Database

UNREADABLE = {
    "no JSON": "new_value = '{bad'",
    "not a number": "new_value = 'NaN'",
    "no object": "new_value = 7",
    "endless nesting": f"new_value = '{'[' * 5000}'",
    "no instant": "at = 'yesterday'",
    "infinite": "personal = '{\"old\": 1e999}'",
}


@pytest.fixture(params=["with a ring", "without"])
def db(request, sqlite_url):
    kind = KeyedDatabase if request.param == "with a ring" else Database
    with kind(sqlite_url) as database:
        yield made(database)


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE)
def test_a_sealed_event_made_unreadable_is_named(db, change):
    sealed(db)
    with tampering(db) as connection:
        sql(connection, f"UPDATE tc_audit_log SET {change} WHERE id = (SELECT min(id) FROM tc_audit_log)")
    kinds, report = found(db)
    assert kinds == {"edited"}
    assert [fault.number for fault in report.faults] == [1]


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_event_does_not_keep_others_from_being_sealed(sqlite_url, change):
    with KeyedDatabase(sqlite_url) as db:
        made(db)
        db.run(write, 3)
        with tampering(db) as connection:
            sql(connection, f"UPDATE tc_audit_log SET {change} WHERE id = (SELECT min(id) FROM tc_audit_log)")
        assert "inserted" in found(db)[0]
        assert seal(db) is not None
        kinds, report = found(db)
        assert kinds == {"inserted"}
        assert (report.unsealed, report.size, [fault.number for fault in report.faults]) == (0, 3, [1])


@pytest.mark.parametrize(
    "change",
    [
        "tc_audit_leaves SET hash = 'zz' WHERE id = 2",
        "tc_audit_leaves SET salt = 'zz' WHERE id = 1",
        "tc_audit_seals SET previous = 'zz' WHERE id = 2",
        "tc_audit_seals SET head = 'é' WHERE id = 2",
        "tc_audit_seals SET size = 2000000000 WHERE id = 2",
        "tc_audit_seals SET size = -5 WHERE id = 2",
    ],
)
def test_a_proof_made_unreadable_is_named(db, change):
    db.run(write_personal, 1)
    sealed(db)
    with tampering(db) as connection:
        sql(connection, f"UPDATE {change}")
    assert found(db)[0] & {"edited", "forged", "forked"}


def test_what_was_written_before_the_ring_is_no_forgery(shared_database_url):
    with Database(shared_database_url) as db:
        made(db)
        db.run(write, 5)
    with KeyedDatabase(shared_database_url) as db:
        db.run(write, 1)
        assert seal(db) is not None
        kinds, report = found(db)
        assert kinds == set()
        assert report.without_mac == 5
    with Database(shared_database_url) as db:
        db.run(write, 1)
    with KeyedDatabase(shared_database_url) as db:
        assert found(db)[0] == {"inserted"}


@pytest.mark.parametrize("said", [{"actor_id": "u" * 300}, {"actor_id": "u\x00\ud800"}, {"request_id": "r\x00" * 90}])
def test_no_transaction_fails_because_of_who_or_where_from(shared_database_url, said):
    def deed(session):
        with bind(**said):
            record(session, action="order.canceled", resource_type="order", resource_id=1)

    with KeyedDatabase(shared_database_url) as db:
        made(db)
        db.run(deed)
        assert seal(db) is not None
        assert found(db)[0] == set()
        (entry,) = db.run(lambda session: [(one.actor_id, one.request_id) for one in session.query(AuditEntry)])
        assert max(len(one or "") for one in entry) <= 128
