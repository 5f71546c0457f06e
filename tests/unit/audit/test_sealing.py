"""Sealing: one owner, no gap and no fork, whoever is killed, whatever the clock does; notes reach their sinks."""

import os
import random
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import func, select, update
from tests.unit.audit.trail import RING, KeyedDatabase, found, made, sealed, write, write_personal

from tradecore.audit import (
    AuditCheckpoint,
    AuditEntry,
    AuditLeaf,
    AuditSeal,
    FileSink,
    HttpSink,
    Note,
    Sealer,
    Sealing,
    read_notes,
    record_now,
    seal,
    seal_async,
    verify,
)
from tradecore.audit.keys import Macs
from tradecore.clock import ManualClock
from tradecore.db import AsyncDatabase, Database, Lease
from tradecore.db.timeline import EPOCH
from tradecore.errors import ConfigurationError, InvalidInput, LeaseLost
from tradecore.flow import Work, run


@pytest.fixture
def db(shared_database_url):
    with KeyedDatabase(shared_database_url) as database:
        yield made(database)


def perform(db):
    return lambda effect: db.run(effect) if isinstance(effect, Work) else None


def counts(db):
    def read(session):
        return [session.scalar(select(func.count()).select_from(one)) for one in (AuditEntry, AuditLeaf, AuditSeal)]

    return db.run(read)


def test_an_empty_log_is_sealed_and_verifies(db):
    assert seal(db) is None
    assert found(db)[0] == set()


def test_batches_numbers_and_the_note(db):
    db.run(write, 7)
    note = seal(db, Sealing(batch=3, origin="desk.example/audit"))
    assert counts(db) == [7, 7, 3]
    read = Note.read(note)
    assert (read.origin, read.size, read.holds(Macs(RING, "note"))) == ("desk.example/audit", 7, True)
    assert seal(db) is None
    assert db.run(lambda s: s.scalars(select(AuditLeaf.id).order_by(AuditLeaf.id)).all()) == list(range(1, 8))


@pytest.mark.anyio
async def test_an_async_database_is_sealed_alike(shared_database_url):
    with Database(shared_database_url) as plain:
        made(plain)
    db = AsyncDatabase(shared_database_url, keyring=RING)
    try:
        await db.run(write, 3)
        assert Note.read(await seal_async(db)).size == 3
        assert (await db.run(verify)).faults == []
    finally:
        await db.close()


def test_who_does_not_hold_the_lease_seals_nothing(db):
    first, second = Sealer(clock=db.clock), Sealer(clock=db.clock)
    db.run(write, 2)
    assert run(first.step(), perform(db)).sealed == 2
    db.run(write, 2)
    assert run(second.step(), perform(db)).sealed == 0
    assert run(first.step(), perform(db)).sealed == 2
    run(first.finish(), perform(db))
    db.run(write, 1)
    assert run(second.step(), perform(db)).sealed == 1
    assert found(db)[0] == set()


def test_who_slept_past_the_lease_forks_nothing(shared_database_url):
    clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    with KeyedDatabase(shared_database_url, clock=clock) as db:
        made(db)
        late, other = Sealer(clock=clock), Sealer(clock=clock)
        db.run(write, 2)
        step = late.step()
        effect = next(step)
        while effect.fn.__name__ != "append":  # it has read what to seal, and is paused
            effect = step.send(db.run(effect))
        clock.advance(60.0)
        assert run(other.step(), perform(db)).sealed == 2
        with pytest.raises(LeaseLost) as lost:
            db.run(effect)
        with pytest.raises(StopIteration) as over:
            step.throw(lost.value)
        assert over.value.value.sealed == 0
        assert counts(db) == [2, 2, 1]
        assert found(db)[0] == set()


def test_what_commits_late_is_numbered_late(db):
    opened = threading.Event()
    go_on = threading.Event()

    def slow(session):
        write(session, 1, action="order.slow")
        session.flush()
        opened.set()
        assert go_on.wait(20)

    if db.dialect_name == "sqlite":
        db.run(write, 2)  # one writer at a time: nothing commits late
    else:
        thread = threading.Thread(target=db.run, args=(slow,))
        thread.start()
        assert opened.wait(20)
        db.run(write, 2)
        seal(db)
        go_on.set()
        thread.join()
    seal(db)
    assert found(db)[0] == set()
    assert counts(db)[0] == counts(db)[1]


@pytest.mark.parametrize("jump", [timedelta(hours=-2), timedelta(hours=5), timedelta(days=40)])
def test_a_clock_that_moves_raises_no_alarm(shared_database_url, jump):
    start = datetime(2026, 5, 10, tzinfo=UTC)
    for number, at in enumerate([start, start + jump, start]):
        with Database(shared_database_url, clock=ManualClock(at)) as db:
            if not number:
                made(db)
            db.ensure_partitions()
            db.run(lambda session: session.execute(update(Lease).values(expires_at=EPOCH)))
            sealed(db, batches=2)
            assert found(db)[0] == set()


CHILD = """
import sys
from datetime import datetime, timedelta, UTC
from tradecore.audit import Sealer, Sealing
from tradecore.clock import ManualClock
from tradecore.db import Database
from tradecore.flow import run
clock = ManualClock(datetime.now(UTC) + timedelta(seconds=int(sys.argv[2])))  # past the lease of whoever died
with Database(sys.argv[1], clock=clock) as db:
    sealer = Sealer(Sealing(batch=10, checkpoint_events=15), clock=clock)
    def perform(effect):
        print(effect.fn.__name__, flush=True)
        return db.run(effect)
    while True:
        run(sealer.step(), perform)
"""


def test_a_sealer_killed_anywhere_leaves_no_gap(shared_database_url):
    seed = random.randrange(1_000_000)
    dice = random.Random(seed)
    with Database(shared_database_url) as db:
        made(db)
        db.run(write, 300)
        for number in range(8):
            words = [sys.executable, "-c", CHILD, shared_database_url, str((number + 1) * 60)]
            with subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | {"PYTHONWARNINGS": ""}) as child:
                for _ in range(dice.randrange(4, 14)):
                    assert child.stdout.readline(), f"seed {seed}"
                child.kill()
                child.communicate()
            with Database(shared_database_url, clock=ManualClock(datetime.now(UTC))) as look:
                assert look.run(verify, patience=1e9).faults == [], f"seed {seed}"
        later = ManualClock(datetime.now(UTC) + timedelta(seconds=700))
        with Database(shared_database_url, clock=later) as last:
            seal(last)
            assert counts(last)[:2] == [300, 300]
            assert last.run(verify, patience=1e9).faults == [], f"seed {seed}"


def test_sixteen_writers_a_sealer_and_ten_who_verify_raise_no_alarm(db):
    alarms, failures, over = [], [], threading.Event()
    sealer = Sealer(Sealing(batch=50), clock=db.clock)

    def guarded(work):
        def attempt():
            try:
                work()
            except Exception as error:
                failures.append(error)

        return threading.Thread(target=attempt)

    def writing():
        for _ in range(5):
            db.run(write_personal, 4)

    def sealing():
        while not over.is_set():
            run(sealer.step(), perform(db))
            over.wait(0.01)

    def verifying():
        alarms.extend(db.run(verify).faults)

    background = guarded(sealing)
    background.start()
    threads = [guarded(writing) for _ in range(16)] + [guarded(verifying) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    background.join()
    run(sealer.finish(), perform(db))
    assert failures == []
    assert alarms == []
    assert counts(db)[:2] == [320, 320]
    assert found(db)[0] == set()


# -- sinks ---------------------------------------------------------------------------------------------------------


def test_the_file_keeps_every_note_and_forgives_a_cut_one(db, tmp_path):
    sink = FileSink(tmp_path / "checkpoints.txt")
    for _ in range(3):
        db.run(write, 2)
        seal(db, Sealing(sinks=[sink]))
    text = sink.path.read_text(encoding="utf-8")
    notes = read_notes(text)
    assert [Note.read(note).size for note in notes] == [2, 4, 6]
    assert found(db, notes=notes)[1].checkpoints == 6
    assert len(read_notes(text[: len(text) - 130])) == 2
    assert found(db, since=notes[0])[1].events == 4


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.notes.append((self.headers["authorization"], body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("status", [201, 503])
def test_the_http_sink_posts_a_note_and_says_when_it_was_not_taken(db, status, caplog):
    receiver = type("Receiver", (_Receiver,), {"notes": [], "status": status})
    with HTTPServer(("127.0.0.1", 0), receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        sink = HttpSink(f"http://127.0.0.1:{server.server_port}/notes?token=x", headers={"authorization": "secret"})
        try:
            db.run(write, 2)
            note = seal(db, Sealing(sinks=[sink]))
        finally:
            sink.close()
            server.shutdown()
            thread.join()
    assert receiver.notes == [("secret", note)]
    assert ("could not be handed" in caplog.text) is (status == 503)
    assert "secret" not in caplog.text + repr(sink)
    assert "token" not in repr(sink)


@pytest.mark.parametrize("url", ["http://witness.example/x", "ftp://witness.example/x", "https://", "x"])
def test_a_sink_is_spoken_to_by_https_only(url):
    with pytest.raises(ConfigurationError):
        HttpSink(url)


NO_NOTES = ["", "x", "a\nb\nc\n\n", "o\n01\n" + "A" * 43 + "=\n\n", "o\n1\nAAAA\n\n", "o\n" * 9000, b"\xff"]


@pytest.mark.parametrize("text", NO_NOTES)
def test_what_is_no_note_is_refused(text):
    with pytest.raises(InvalidInput):
        Note.read(text)


@pytest.mark.parametrize(
    "wrong", [{"every": 0}, {"batch": 0}, {"origin": ""}, {"origin": "a b"}, {"checkpoint_every": -1}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        Sealing(**wrong)


# -- at once -------------------------------------------------------------------------------------------------------


def test_a_denied_action_stays_noted_when_its_unit_is_rolled_back(database_url):
    with Database(database_url, keyring=RING) as db:
        made(db)

        def deed(session):
            write(session)
            record_now(session, action="order.place", resource_type="order", resource_id=7, reason="no right to")
            raise PermissionError

        with pytest.raises(PermissionError):
            db.run(deed)
        rows = db.run(lambda s: s.scalars(select(AuditEntry)).all())
        assert [(row.action, row.outcome, row.resource_id) for row in rows] == [("order.place", "denied", "7")]
        db.run(lambda s: record_now(s, action="order.place", resource_type="order", resource_id=8, outcome="failure"))
        assert counts(db)[0] == 2
        seal(db)
        assert found(db)[0] == set()
        with pytest.raises(ValueError, match="perhaps"):
            db.run(lambda s: record_now(s, action="x", resource_type="y", resource_id=1, outcome="perhaps"))


def test_checkpoints_come_by_number_and_by_time(shared_database_url):
    clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    with Database(shared_database_url, clock=clock) as db:
        made(db)
        sealer = Sealer(Sealing(batch=10, checkpoint_events=15, checkpoint_every=10.0), clock=clock)
        notes = []
        for _ in range(3):
            db.run(write, 10)
            notes.append(run(sealer.step(), perform(db)).note)
        assert [note and Note.read(note).size for note in notes] == [None, 20, None]
        clock.advance(4.0)
        assert run(sealer.step(), perform(db)).note is None
        clock.advance(7.0)
        assert Note.read(run(sealer.step(), perform(db)).note).size == 30
        assert db.run(lambda s: s.scalars(select(AuditCheckpoint.id).order_by(AuditCheckpoint.id)).all()) == [20, 30]
