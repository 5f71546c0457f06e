"""What somebody does who owns the database, and the name verification has for it; on three databases."""

import pytest
from sqlalchemy.exc import DBAPIError
from tests.unit.audit.trail import KeyedDatabase, found, made, sealed, sql, tampering, write, write_personal

from tradecore.audit import Note, is_enforced, seal
from tradecore.audit.append_only import enforce
from tradecore.audit.canonical import link, members_of, root_of
from tradecore.audit.reading import stored_by_id
from tradecore.db import Database
from tradecore.errors import AuditBroken


@pytest.fixture(params=["with a ring", "without"])
def db(request, shared_database_url):
    kind = KeyedDatabase if request.param == "with a ring" else Database
    with kind(shared_database_url) as database:
        made(database)
        sealed(database)
        yield database


def keyed(db):
    return isinstance(db, KeyedDatabase)


def entry(connection, number):
    return sql(connection, "SELECT entry_id FROM tc_audit_leaves WHERE id = :n", n=number).scalar_one()


def test_an_untouched_log_verifies(db):
    kinds, report = found(db)
    assert kinds == set()
    assert (report.events, report.size, report.unsealed, report.checkpoints) == (12, 12, 0, 3)
    assert report.keyed is keyed(db)
    assert report.append_only
    assert report.without_mac == 0
    report.raise_if_broken()


@pytest.mark.parametrize(
    "change",
    [
        "action = 'order.filled'",
        "resource_id = 'other'",
        "outcome = 'denied'",
        "actor_id = 'somebody'",
        "new_value = NULL",
        "at = '2020-05-05 00:00:00.000000'",
        "reason = ''",
        "ip_address = '198.51.100.1'",
    ],
)
def test_an_edited_event(db, change):
    with tampering(db) as connection:
        sql(connection, f"UPDATE tc_audit_log SET {change} WHERE id = :id", id=entry(connection, 6))
    kinds, report = found(db)
    assert kinds == {"edited"}
    assert [fault.number for fault in report.faults] == [6]
    with pytest.raises(AuditBroken, match="1 edited") as caught:
        report.raise_if_broken()
    assert caught.value.details[0]["kind"] == "edited"


def test_an_event_edited_together_with_its_leaf(db):
    with tampering(db) as connection:
        sql(connection, "UPDATE tc_audit_leaves SET hash = :h WHERE id = 6", h="ab" * 32)
    assert found(db)[0] == {"edited"}


def test_a_missing_event(db):
    with tampering(db) as connection:
        sql(connection, "DELETE FROM tc_audit_log WHERE id = :id", id=entry(connection, 6))
    kinds, report = found(db)
    assert kinds == {"missing"}
    assert report.faults[0].number == 6


def test_a_missing_event_and_its_leaf(db):
    with tampering(db) as connection:
        sql(connection, "DELETE FROM tc_audit_log WHERE id = :id", id=entry(connection, 6))
        sql(connection, "DELETE FROM tc_audit_leaves WHERE id = 6")
    assert found(db)[0] == {"missing"}


def test_a_missing_batch_that_says_it_was_retired(db):
    with tampering(db) as connection:
        for number in range(1, 5):
            sql(connection, "DELETE FROM tc_audit_log WHERE id = :id", id=entry(connection, number))
        sql(connection, "DELETE FROM tc_audit_leaves WHERE id < 5")
        sql(connection, "UPDATE tc_audit_seals SET retired_at = at WHERE id = 1")
    kinds, report = found(db)
    assert kinds == {"missing"}
    assert "no event says so" in report.faults[0].message


def test_an_inserted_event_that_claims_to_be_old(db):
    with tampering(db) as connection:
        columns = "at, actor_type, action, resource_type, resource_id, outcome"
        sql(
            connection,
            f"INSERT INTO tc_audit_log (id, {columns}) SELECT :new, '2020-05-05 00:00:00.000000', 'user', "
            "'order.filled', resource_type, resource_id, outcome FROM tc_audit_log WHERE id = :id",
            new=entry(connection, 1) + 5_000,
            id=entry(connection, 1),
        )
    assert found(db)[0] == {"inserted"}
    db.run(write)
    seal(db)  # a sealer that comes by takes it in, and still it is told
    assert found(db)[0] == {"inserted"}


@pytest.mark.parametrize("mac", ["NULL", "mac"], ids=["without a MAC", "with another event's"])
def test_an_inserted_event_of_today_that_nobody_with_the_key_wrote(shared_database_url, mac):
    with KeyedDatabase(shared_database_url) as db:
        made(db)
        sealed(db)
        with tampering(db) as connection:
            sql(
                connection,
                "INSERT INTO tc_audit_log (id, at, actor_type, action, resource_type, resource_id, outcome, mac) "
                f"SELECT id + 5000, at, actor_type, 'order.filled', resource_type, resource_id, outcome, {mac} "
                "FROM tc_audit_log WHERE id = :id",
                id=entry(connection, 12),
            )
        assert found(db)[0] == {"inserted"}
        seal(db)
        assert found(db)[0] == {"inserted"}


def test_exchanged_events(db):
    with tampering(db) as connection:
        five, six = (
            sql(connection, "SELECT entry_id, hash FROM tc_audit_leaves WHERE id = :n", n=n).one() for n in (6, 7)
        )
        sql(connection, "UPDATE tc_audit_leaves SET entry_id = -1 WHERE id = 6")
        for number, (entry_id, leaf) in ((7, five), (6, six)):
            sql(
                connection,
                "UPDATE tc_audit_leaves SET entry_id = :e, hash = :h WHERE id = :n",
                e=entry_id,
                h=leaf,
                n=number,
            )
    kinds, report = found(db)
    assert kinds == {"reordered"}
    assert report.faults[0].number == 2


def test_a_cut_end(db):
    notes = [Note.read(one) for one in checkpoints(db)]
    assert [note.size for note in notes] == [4, 8, 12]
    with tampering(db) as connection:
        for number in range(9, 13):
            sql(connection, "DELETE FROM tc_audit_log WHERE id = :id", id=entry(connection, number))
        sql(connection, "DELETE FROM tc_audit_leaves WHERE id > 8")
        sql(connection, "DELETE FROM tc_audit_seals WHERE id > 2")
    assert found(db)[0] == {"truncated"}
    with tampering(db) as connection:
        sql(connection, "DELETE FROM tc_audit_checkpoints WHERE id > 8")
    assert found(db)[0] == set()  # inside the database nothing tells
    kinds, report = found(db, notes=[notes[-1].text()])
    assert kinds == {"truncated"}
    assert "12 events, and there are 8" in report.faults[0].message


def test_seals_cut_off_and_their_leaves_left(db):
    with tampering(db) as connection:
        sql(connection, "DELETE FROM tc_audit_seals WHERE id = 3")
        sql(connection, "DELETE FROM tc_audit_checkpoints WHERE id = 12")
    assert found(db)[0] == {"truncated"}


def checkpoints(db):
    with db.engine.connect() as connection:
        return sql(connection, "SELECT note FROM tc_audit_checkpoints ORDER BY id").scalars().all()


def rewrite(connection, first):
    """Make leaves, seals and checkpoints of what the log says by now, from one seal on: what an owner can do."""
    seals = sql(connection, "SELECT id, first, size, previous FROM tc_audit_seals ORDER BY id").all()
    head = seals[0].previous
    for number, start, size, _ in seals:
        query = "SELECT hash FROM tc_audit_leaves WHERE id >= :a AND id < :b ORDER BY id"
        hashes = sql(connection, query, a=start, b=start + size).scalars().all()
        previous, head = head, link(head, hashes)
        if number >= first:
            words = "UPDATE tc_audit_seals SET previous = :p, head = :h, root = :r, members = :m WHERE id = :id"
            values = {"p": previous, "h": head, "r": root_of(hashes), "m": members_of(hashes), "id": number}
            sql(connection, words, **values)
            words = "UPDATE tc_audit_checkpoints SET head = :h, note = :n WHERE id = :id"
            size = start + size - 1
            sql(connection, words, h=head, n=Note("tradecore/audit", size, head).text(), id=size)


def test_a_fork(db):
    with tampering(db) as connection:
        sql(connection, "UPDATE tc_audit_seals SET previous = :p WHERE id = 3", p="cd" * 32)
    kinds, _ = found(db)
    assert "forked" in kinds
    assert kinds <= {"forked", "forged", "edited", "reordered"}


def test_a_seal_gone_from_the_middle(db):
    with tampering(db) as connection:
        sql(connection, "DELETE FROM tc_audit_seals WHERE id = 2")
    assert {"missing", "forked"} <= found(db)[0]


def test_a_chain_written_anew_is_shown_by_the_key_or_by_a_checkpoint_kept_elsewhere(db):
    notes = checkpoints(db)
    with tampering(db) as connection:
        sql(connection, "UPDATE tc_audit_log SET outcome = 'denied' WHERE id = :id", id=entry(connection, 6))
        edited = stored_by_id(connection, [entry(connection, 6)])[entry(connection, 6)]
        sql(connection, "UPDATE tc_audit_leaves SET hash = :h WHERE id = 6", h=edited.leaf(None))
        rewrite(connection, 1)
    assert found(db)[0] == ({"forged", "inserted"} if keyed(db) else set())  # without a key all of it looks right
    assert "checkpoint mismatch" in found(db, notes=notes)[0]


def test_a_checkpoint_that_was_changed(db):
    with tampering(db) as connection:
        sql(connection, "UPDATE tc_audit_checkpoints SET head = :h WHERE id = 8", h="ef" * 32)
    assert found(db)[0] == {"checkpoint mismatch"}


def test_events_that_nobody_seals(db):
    db.run(write)
    assert found(db)[0] == set()
    assert found(db, patience=-1)[0] == {"unsealed too long"}


def test_personal_values_erased_without_a_record(shared_database_url):
    with KeyedDatabase(shared_database_url) as db:
        made(db)
        db.run(write_personal, 2)
        seal(db)
        with tampering(db) as connection:
            sql(connection, "UPDATE tc_audit_log SET personal = NULL, ip_address = NULL, user_agent = NULL")
            sql(connection, "UPDATE tc_audit_leaves SET salt = NULL")
        assert found(db)[0] == {"erased without a record"}


def test_personal_values_that_were_changed(db):
    db.run(write_personal, 2)
    seal(db)
    with tampering(db) as connection:
        words = "UPDATE tc_audit_log SET ip_address = '203.0.113.1' WHERE ip_address IS NOT NULL"
        sql(connection, words)
    assert found(db)[0] == {"edited"}


def test_the_database_itself_refuses(db):
    statements = [
        f"{verb} {table}{rest}"
        for table in ("tc_audit_log", "tc_audit_leaves", "tc_audit_seals", "tc_audit_checkpoints")
        for verb, rest in (("DELETE FROM", ""), ("UPDATE", " SET id = id + 1"))
    ]
    if db.dialect_name == "postgresql":
        statements += ["TRUNCATE tc_audit_log", "TRUNCATE tc_audit_seals"]
    for statement in statements:
        with pytest.raises(DBAPIError, match="append only"), db.engine.begin() as connection:
            sql(connection, statement)
    assert found(db)[0] == set()


def test_triggers_that_were_taken_away_are_told_and_can_be_made_anew(db):
    with tampering(db) as connection:
        assert not is_enforced(connection)
    assert not found(db)[1].append_only
    with db.engine.begin() as connection:
        enforce(connection)
    assert found(db)[1].append_only
