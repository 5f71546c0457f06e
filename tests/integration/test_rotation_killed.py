"""A rotation in a process of its own, killed again and again while others write: nothing is lost, and it is proven."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading

import pytest
from sqlalchemy import select
from tests.databases import SHARED, fresh_database
from tests.sealed_models import Credential, Token, sealed_database, tokens

from tradecore.crypto import Key, Keyring, key_id_of
from tradecore.db import Database, Sealed
from tradecore.db.base import Root
from tradecore.db.rotation import KeyRotation, Rotation
from tradecore.db.soft_delete import WITH_DELETED

OLD, NEW = Key.generate("primary"), Key.generate("primary")
BOTH = Keyring([OLD, Key(NEW._secret, "pending")])  # a process that does not have the new state yet
AFTER = Keyring([NEW, OLD.moved_to("retired")])
ALONE = Keyring([NEW])

PROGRAM = """
import os, sys
import tests.sealed_models
from tradecore.crypto import Keyring
from tradecore.db import Database
from tradecore.db.rotation import Rotation

with Database(os.environ["URL"], keyring=Keyring.from_env(), tries=60, lock_timeout=20.0) as db:
    report = Rotation(db, batch=5).run(lambda batch: print(batch.turned, flush=True))
    print("proven" if report.proof.holds else "left over", flush=True)
"""


def rotate(url: str, kill_after: int | None) -> bool:
    """Run a rotation in a process; kill it after so many batches. Return whether it came to its end."""
    environment = {**os.environ, "URL": url, "TRADECORE_KEYS": " ".join(key.spelled() for key in AFTER.keys)}
    words = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for number, line in enumerate(process.stdout):
            if line.strip() in ("proven", "left over"):
                assert process.wait() == 0
                return True
            if number == kill_after:
                process.send_signal(signal.SIGKILL)
                assert process.wait() == -signal.SIGKILL
                return False
    raise AssertionError(f"the rotation ended with {process.returncode}")


class Writers:
    """Two threads that go on changing secrets, one with the old ring and one with the new; they remember the last."""

    def __init__(self, url: str, keys: list[int]) -> None:
        self.url, self.keys, self.written = url, keys, {}
        self.over, self.trouble = threading.Event(), []
        self.threads = [threading.Thread(target=self._write, args=(n, ring)) for n, ring in enumerate((BOTH, AFTER))]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _write(self, part: int, ring: Keyring) -> None:
        dice = random.Random(part)
        try:
            with Database(self.url, keyring=ring, tries=60, lock_timeout=20.0) as db:
                while not self.over.wait(0.002):
                    key = self.keys[2 * dice.randrange(len(self.keys) // 2) + part]
                    value = f"{part}/{dice.random()}"
                    db.run(_change, key, value)
                    self.written[key] = value
        except BaseException as error:
            self.trouble.append(error)


def _change(session, key, value):
    session.get(Credential, key).secret = Sealed(value)


def killed(url: str, times: int, seed: int, rows: int) -> int:
    """Rotate with ``times`` kills at random batches; return how many there were, and hold everything to account."""
    dice, kills = random.Random(seed), 0
    with sealed_database(url, Keyring([OLD])) as db:
        Root.metadata.create_all(db.engine, tables=[KeyRotation.__table__])
        made = [Credential(name=f"n{n}", secret=Sealed(f"first {n}"), account=Sealed(f"a{n}")) for n in range(rows)]
        db.run(lambda session: session.add_all([*made, Token(name="t", value=Sealed("t"))]))
        first = {row.id: f"first {n}" for n, row in enumerate(made)}
        accounts = {row.id: f"a{n}" for n, row in enumerate(made)}
    with Writers(url, sorted(first)) as writers:
        while kills < times:
            kills += not rotate(url, kill_after=dice.randrange(0, 4))
    assert not writers.trouble
    assert rotate(url, kill_after=None)
    with sealed_database(url, AFTER) as db:
        report = Rotation(db).run()
        assert report.turned == 0
        assert report.proof.holds, report.proof.against
    with sealed_database(url, ALONE) as db, db.read() as session:
        found = session.execute(select(Credential), execution_options={WITH_DELETED: True}).scalars().all()
        assert {row.id: row.secret.open() for row in found} == first | writers.written
        assert {row.id: row.account.open() for row in found} == accounts
        assert {key_id_of(token) for token in tokens(session, Credential.secret)} == {NEW.id}
    assert writers.written
    return kills


def _kinds():
    return [pytest.param(kind, marks=[pytest.mark.service] * (kind != "sqlite")) for kind in SHARED]


@pytest.mark.parametrize("kind", _kinds())
def test_a_rotation_is_killed_thrice(kind, tmp_path):
    with fresh_database(kind, tmp_path) as url:
        assert killed(url, times=3, seed=3, rows=60) == 3


@pytest.mark.chaos
@pytest.mark.parametrize("kind", _kinds())
def test_a_rotation_is_killed_twenty_times(kind, tmp_path):
    with fresh_database(kind, tmp_path) as url:
        assert killed(url, times=20, seed=20, rows=300) == 20
