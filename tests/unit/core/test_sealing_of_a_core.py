"""A core seals the audit log for as long as its worker runs, hands checkpoints out, and closes in time."""

from __future__ import annotations

import asyncio
import threading
import time
from argparse import Namespace

from tradecore import AsyncTradeCore, TradeCore
from tradecore.audit import Note, Sealing, record, verify
from tradecore.audit.keys import Macs
from tradecore.cli._arguments import core_named
from tradecore.crypto import Key, Keyring
from tradecore.db import Database

RING = Keyring([Key.generate("primary")])


class Notes:
    def __init__(self):
        self.kept = []

    def put(self, note):
        self.kept.append(note)


class Silent:
    """A sink that takes the connection and never answers."""

    def __init__(self):
        self.asked, self.free = threading.Event(), threading.Event()

    def put(self, note):
        self.asked.set()
        self.free.wait(60)


def deed(session, many=3):
    for one in range(many):
        record(session, action="order.canceled", resource_type="order", resource_id=one)


def report_of(url):
    with Database(url, keyring=RING) as db:
        return db.run(verify)


def test_what_was_done_is_sealed_and_handed_out_by_the_time_it_is_closed(sqlite_url):
    notes = Notes()
    sealing = Sealing(origin="desk.example/audit", sinks=[notes], batch=2)
    with TradeCore(sqlite_url, keyring=RING, setup_schema=True, audit=sealing) as core:
        core.db.run(deed)
    last = Note.read(notes.kept[-1])
    report = report_of(sqlite_url)
    assert (last.origin, last.size, last.head) == ("desk.example/audit", report.size, report.head)
    assert last.holds(Macs(RING, "note"))
    assert (report.ok, report.keyed, report.unsealed, report.without_mac) == (True, True, 0, 0)
    assert report.size >= 3


def test_an_async_core_does_the_same(sqlite_url):
    notes = Notes()

    async def live():
        sealing = Sealing(sinks=[notes], batch=2)
        async with AsyncTradeCore(sqlite_url, keyring=RING, setup_schema=True, audit=sealing) as core:
            await core.db.run(deed)

    asyncio.run(live())
    report = report_of(sqlite_url)
    assert (report.ok, report.unsealed, Note.read(notes.kept[-1]).size) == (True, 0, report.size)


def test_it_seals_again_after_its_worker_was_stopped_and_started(sqlite_url):
    with TradeCore(sqlite_url, keyring=RING, setup_schema=True) as core:
        core.stop_worker()
        core.db.run(deed)
        core.start_worker()
    assert report_of(sqlite_url).unsealed == 0


def test_one_that_is_told_not_to_does_not_seal(sqlite_url):
    with TradeCore(sqlite_url, keyring=RING, setup_schema=True, audit=Sealing(enabled=False)) as core:
        core.db.run(deed)
    assert report_of(sqlite_url).size == 0


def test_a_sink_that_never_answers_does_not_keep_a_core_from_closing(sqlite_url):
    sink = Silent()
    with TradeCore(sqlite_url, keyring=RING, setup_schema=True, audit=Sealing(sinks=[sink])) as core:
        core.db.run(deed)
        began = time.monotonic()
        core.stop_worker(timeout=1.0)
        took = time.monotonic() - began
        sink.free.set()
    assert sink.asked.is_set()
    assert took < 15.0


def test_a_command_beside_a_core_has_the_ring_of_the_environment(sqlite_url, monkeypatch):
    named = Namespace(database=sqlite_url, broker=None)
    monkeypatch.delenv("TRADECORE_KEYS", raising=False)
    assert core_named(named).keyring is None
    monkeypatch.setenv("TRADECORE_KEYS", Key.generate("primary").spelled())
    core = core_named(named)
    assert core.keyring is not None
    assert core.db.keyring is core.keyring, "its events would have no MAC, and look inserted"
