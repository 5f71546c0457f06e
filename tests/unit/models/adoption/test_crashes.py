"""Killed at any moment and run again, an adoption ends as if nothing had happened."""

import itertools
import random
import shutil
import signal
import subprocess
import sys

import pytest
from sqlalchemy import event
from tests.unit.models.adoption.desk import adopted, mapping_file, old_and_new, snapshot

from tradecore.db import Database
from tradecore.models import migrations

KILLS = 3


class Crash(BaseException):
    """The process is gone: nothing in between may catch it."""


def _crashes_at(db, number):
    """Let the process go before its ``number``-th statement, or before that commit."""
    steps = itertools.count(1)

    def step(*_, **__):
        if next(steps) == number:
            raise Crash

    event.listen(db.engine, "before_cursor_execute", step)
    event.listen(db.engine, "commit", step)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Return a file with the old tables and ours, and what an undisturbed adoption makes of it."""
    path = tmp_path_factory.mktemp("adopt") / "template.db"
    with old_and_new(f"sqlite:///{path}"):
        pass
    undisturbed = path.with_name("undisturbed.db")
    shutil.copy(path, undisturbed)
    with Database(f"sqlite:///{undisturbed}") as db:
        assert adopted(db, chunk=200).ready
        return path, snapshot(db)


def test_a_crash_at_any_statement_or_commit_changes_nothing(template, tmp_path):
    path, wanted = template
    dice = random.Random(20)
    file = tmp_path / "crashed.db"
    shutil.copy(path, file)
    crashes = 0
    for _ in range(100):
        with Database(f"sqlite:///{file}") as db:  # each run goes on where the last one fell
            _crashes_at(db, dice.randrange(20, 150))
            try:
                adopted(db, chunk=200)
            except Crash:
                crashes += 1
            else:
                break
    with Database(f"sqlite:///{file}") as db:
        assert adopted(db, chunk=200).ready
        assert snapshot(db) == wanted
        assert migrations.check(db) == []
    assert crashes >= 10


def test_killed_again_and_again_it_ends_like_an_undisturbed_run(shared_database_url, template, tmp_path):
    _, wanted = template
    with old_and_new(shared_database_url):
        pass
    words = [sys.executable, "-m", "tradecore", "db", "adopt", "--database", shared_database_url, "--apply"]
    words += ["--backup-taken", "--progress", "--chunk", "120", "--mapping", str(mapping_file(tmp_path))]
    dice = random.Random(shared_database_url.partition(":")[0])
    kills = 0
    while True:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = dice.randrange(1, 7) if kills < KILLS else 10**9
        for _, line in zip(range(lines), process.stderr, strict=False):
            assert line.split()[0] in ("copy", "link"), line
        if kills < KILLS:
            process.send_signal(signal.SIGKILL)  # somewhere in the chunk after the one it told of
            kills += process.wait() == -signal.SIGKILL
        out, _ = process.communicate()
        if process.returncode != -signal.SIGKILL:
            break
    assert process.returncode == 0, out
    assert kills == KILLS
    with Database(shared_database_url) as db:
        assert _plain(snapshot(db)) == _plain(wanted)
        assert migrations.check(db) == []


# What differs between databases: MariaDB kept users' last sign-in in UTC, and each has broken times of its own.
_OWN = ("users", "adoption_quarantine", "adoption_findings")


def _plain(found):
    return {name: sorted(map(repr, rows)) for name, rows in found.items() if name not in _OWN}
