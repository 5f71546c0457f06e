"""The demo, from its command line to its verdict: real processes, really killed."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tradecore.demo import Settings, run, run_demo
from tradecore.demo.screen import PlainScreen
from tradecore.demo.verdict import Verdict
from tradecore.errors import ConfigurationError


def demo(*words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tradecore", "demo", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def value(page: str, name: str) -> int:
    found = re.search(rf"^{name} +([\d,]+)", page, re.MULTILINE)
    assert found, page
    return int(found[1].replace(",", ""))


def test_the_promise_holds_through_faults_and_kills(shared_database_url):
    status, page = demo("--signals", "60", "--database", shared_database_url)
    assert status == 0, page
    assert "\nlost 0   duplicated 0   unknown at the end 0\n" in page
    assert value(page, "signals") == 60
    assert value(page, "distinct") == 56
    assert value(page, "kills") >= 1
    assert value(page, "filled") >= 10
    assert all(len(line) <= 100 for line in page.splitlines())


def test_a_database_in_use_is_refused(sqlite_url):
    settings = Settings(signals=2, faults="none", workers=1, database=sqlite_url)
    assert run_demo(settings, PlainScreen(io.StringIO())) == 0
    with pytest.raises(ConfigurationError, match="needs an empty database"):
        run_demo(settings, PlainScreen(io.StringIO()))


def test_a_broken_promise_is_told_and_ends_with_one(monkeypatch):
    monkeypatch.setattr(run, "judge", lambda *_: Verdict(("a signal is gone",), (), (), ()))
    out = io.StringIO()
    assert run_demo(Settings(signals=2, faults="none", workers=1), PlainScreen(out)) == 1
    assert "lost 1   duplicated 0   unknown at the end 0" in out.getvalue()
    assert "lost: a signal is gone" in out.getvalue()


def test_what_never_comes_to_rest_is_named_and_ends_with_one(monkeypatch):
    start = run.Fleet._start

    def start_and_stand_still(fleet: run.Fleet) -> object:  # the one that takes a killed one's place, too
        worker = start(fleet)
        os.kill(worker.process.pid, signal.SIGSTOP)
        return worker

    monkeypatch.setattr(run, "PATIENCE", 0.5)
    monkeypatch.setattr(run.Fleet, "_start", start_and_stand_still)
    monkeypatch.setattr(run.Fleet, "await_begin", lambda fleet: None)
    monkeypatch.setattr(run.Fleet, "stop", lambda fleet: [os.kill(pid, signal.SIGKILL) for pid in fleet.pids])
    out = io.StringIO()
    assert run_demo(Settings(signals=2, faults="none", workers=1), PlainScreen(out)) == 1
    assert "is not routed" in out.getvalue()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of processes")
def test_a_demo_that_is_told_to_stop_leaves_nothing_behind(tmp_path):
    command = [sys.executable, "-m", "tradecore", "demo", "--database", f"sqlite:///{tmp_path / 'demo.db'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not re.match(r" +[\d.]+ s ", line := process.stdout.readline()):  # broker and workers are there by now
            assert line
        broker, *_ = children(process.pid, "simulate")
        process.terminate()
        assert process.wait(60) == 143
    assert not Path(f"/proc/{broker}").exists()


def children(pid: int, word: str) -> list[int]:
    """Return the processes started by ``pid`` whose command line has ``word`` in it."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if word in Path(f"/proc/{child}/cmdline").read_text()]


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("sqlite://", "name a file or a server"),
        ("postgresql://postgres@127.0.0.1:9/desk?connect_timeout=2", "the database cannot be reached"),
    ],
)
def test_a_database_the_demo_cannot_use_is_explained(database, words):
    with pytest.raises(ConfigurationError, match=words):
        run.prepare(database)


def test_wrong_words_are_explained():
    status, page = demo("--signals", "1000000")
    assert status == 2
    assert re.search(r"signals: must be 1 to \d+", page)
