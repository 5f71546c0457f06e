"""What leaves the log leaves it by the declared road: the chain verifies before and after, and in the copy."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError
from tests.unit.audit.trail import KeyedDatabase, found, made, sealed, sql, tampering, write_personal

from tradecore.audit import erase, export, history, retire, seal, verify_export
from tradecore.cli import main
from tradecore.db import Database
from tradecore.errors import AuditBroken, InvalidInput
from tradecore.models import migrations

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(params=[KeyedDatabase, Database], ids=["with a ring", "without"])
def db(request, shared_database_url):
    with request.param(shared_database_url) as database:
        yield made(database)


def test_the_oldest_batches_go_and_the_chain_stands(db):
    sealed(db, batches=4)
    assert db.run(retire, before=datetime(2020, 1, 1, tzinfo=UTC)) == (0, 0, 0)
    assert db.run(retire, before=LATER, batches=2) == (2, 8, 2)
    seal(db)
    kinds, report = found(db)
    assert kinds == set()
    assert (report.retired, report.events, report.size) == (8, 9, 17)
    assert db.run(retire, before=LATER, batches=50).batches == 3  # with the event that told of it
    seal(db)
    kinds, report = found(db)
    assert kinds == set()
    assert report.retired == 17
    with pytest.raises(InvalidInput):
        db.run(retire, before=LATER, batches=0)


def test_evidence_is_not_removed(db):
    sealed(db, batches=2)
    with tampering(db) as connection:
        sql(connection, "UPDATE tc_audit_log SET action = 'x'")
    with pytest.raises(AuditBroken, match="stays"):
        db.run(retire, before=LATER)
    assert found(db)[1].retired == 0


def test_the_road_is_closed_again(db):
    sealed(db, batches=2)
    db.run(retire, before=LATER, batches=1)
    with pytest.raises(DBAPIError, match="append only"), db.engine.begin() as connection:
        sql(connection, "DELETE FROM tc_audit_log")
    db.run(write_personal, 1)
    seal(db)
    db.run(erase, actor_id="u-1")
    with pytest.raises(DBAPIError, match="append only"), db.engine.begin() as connection:
        sql(connection, "UPDATE tc_audit_log SET outcome = 'denied'")


def test_personal_values_go_and_the_chain_stands(db):
    db.run(write_personal, 3)
    assert db.run(erase, actor_id="u-1") == (0, 3)  # not before they are sealed
    seal(db)
    lines = db.run(lambda s: list(export(s)))
    assert db.run(erase, actor_id="u-1", reason="asked on 2026-05-01") == (3, 0)
    seal(db)
    kinds, report = found(db)
    assert kinds == set()
    assert report.erased == 3
    page = db.run(history, "user", 7)
    assert [(one.ip_address, one.user_agent, one.personal, one.new_value) for one in page.items] == [
        (None, None, None, {"n": number}) for number in (2, 1, 0)
    ]
    with db.engine.connect() as connection:
        dump = str(sql(connection, "SELECT * FROM tc_audit_log").all()) + str(
            sql(connection, "SELECT * FROM tc_audit_leaves").all()
        )
    assert "ann@example.com" not in dump
    assert "203.0.113.9" not in dump
    assert verify_export(lines).ok
    assert "ann@example.com" not in "".join(lines)


def test_what_a_law_keeps_is_kept(db):
    db.run(write_personal, 2)
    seal(db)
    assert db.run(erase, resource=("user", 7), keep=["user.changed"]).events == 0
    assert db.run(erase, resource=("user", 7), limit=1).events == 1
    assert db.run(erase, resource=("user", 7)).events == 1
    for wrong in ({}, {"actor_id": "u", "limit": 0}, {"actor_id": "u", "limit": 501}):
        with pytest.raises(InvalidInput):
            db.run(erase, **wrong)


def test_the_copy_verifies_by_itself_and_shows_what_was_changed_in_it(db):
    db.run(write_personal, 2)
    sealed(db, batches=3)
    lines = db.run(lambda s: list(export(s, personal=True)))
    report = verify_export(lines)
    assert (report.ok, report.events, report.head) == (True, 14, found(db)[1].head)
    assert not verify_export([*lines[:5], lines[5].replace("order.canceled", "order.filled"), *lines[6:]]).ok
    assert not verify_export(lines[:4] + lines[5:]).ok
    assert not verify_export([lines[0], lines[2], lines[1], *lines[3:]]).ok
    seals = [number for number, line in enumerate(lines) if "seal" in json.loads(line)]
    assert not verify_export(lines[: seals[1]] + lines[seals[2] :]).ok
    for wrong in ("x", "[]", "{}", '{"hash": 1}'):
        with pytest.raises(InvalidInput):
            verify_export([*lines, wrong])


def test_the_command(shared_database_url, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TRADECORE_KEYS", raising=False)
    with Database(shared_database_url) as db:
        migrations.upgrade(db, platform=False)
        sealed(db, batches=2)
    at = ("--database", shared_database_url)
    assert main(["audit", "verify", *at]) == 0
    assert "no key ring" in capsys.readouterr().out
    assert main(["audit", "show", "order", "1", *at, "--json"]) == 0
    assert [json.loads(line)["action"] for line in capsys.readouterr().out.splitlines()] == ["order.canceled"] * 2
    assert main(["audit", "export", *at, "--to", str(tmp_path / "a.jsonl")]) == 0
    assert main(["audit", "verify", "--file", str(tmp_path / "a.jsonl")]) == 0
    capsys.readouterr()
    assert main(["audit", "verify", "--file", str(tmp_path / "a.jsonl"), "--notes", "kept.txt"]) == 2
    assert "--notes goes with a database" in capsys.readouterr().err
    assert main(["audit", "verify", "--file", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl cannot be read" in capsys.readouterr().err
    assert main(["audit", "seal", *at]) == 0
    capsys.readouterr()
    assert main(["audit", "retire", *at]) == 2
    assert main(["audit", "retire", *at, "--before", "soon"]) == 2
    assert main(["audit", "retire", *at, "--before", "2999-01-01"]) == 0
    assert "--yes" in capsys.readouterr().out
    assert main(["audit", "retire", *at, "--before", "2999-01-01", "--yes", "--to", str(tmp_path / "b.jsonl")]) == 0
    assert "10 events" not in capsys.readouterr().err
    assert verify_export((tmp_path / "b.jsonl").read_text().splitlines()).ok
    assert main(["audit", "verify", *at, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["retired"] > 8
    with Database(shared_database_url) as db:
        sealed(db, batches=1)
        with tampering(db) as connection:
            sql(connection, "UPDATE tc_audit_log SET action = 'x'")
    assert main(["audit", "verify", *at]) == 1
    assert "edited:" in capsys.readouterr().out
    assert main(["audit", "retire", *at, "--before", "2999-01-01", "--yes"]) == 1
