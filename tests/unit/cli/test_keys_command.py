"""`tradecore keys`: what it says, how it ends, and that it never shows what it must not."""

from __future__ import annotations

import base64
import getpass
import os
import stat

import pytest
from sqlalchemy import func, select

from tradecore.cli import main
from tradecore.crypto import Key, Keyring
from tradecore.db import Database, Sealed
from tradecore.models import AuditEntry, BrokerConnection, migrations

SECRET = "s3cr3t-PLANTED-4711"


def filled(url, path, many=7):
    with Database(url, keyring=Keyring.from_file(path)) as db:
        migrations.upgrade(db)
        boxes = [Sealed(f"{SECRET} {n}") for n in range(many)]
        rows = [BrokerConnection(broker="alpaca", name=f"c{n}", credentials=box) for n, box in enumerate(boxes)]
        db.run(lambda session: session.add_all(rows))


def turned(path):
    """Do what a person does on rotation day: the pending key becomes primary, the primary one retired."""
    words = path.read_text()
    path.write_text(words.replace("primary:", "retired:").replace("pending:", "primary:"))


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    assert main(["keys", "generate", "--keys", str(path)]) == 0
    return path


def test_a_rotation_day_from_nothing_to_the_proof(keys, sqlite_url, capsys):
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    old = Keyring.from_file(keys).primary
    filled(sqlite_url, keys)
    assert main(["keys", "generate", "--keys", str(keys)]) == 0
    new = next(key for key in Keyring.from_file(keys).keys if key.state == "pending")
    words = ["--keys", str(keys), "--database", sqlite_url]
    assert main(["keys", "status", *words]) == 0
    turned(keys)
    capsys.readouterr()
    assert main(["keys", "status", *words]) == 0
    assert f"broker_connections.credentials: 7 values under key {old.id}" in capsys.readouterr().out
    assert main(["keys", "rotate", *words, "--batch", "3"]) == 0
    shown = capsys.readouterr()
    assert f"7 values sealed anew under key {new.id}" in shown.out
    assert "proven" in shown.out
    assert main(["keys", "verify", *words]) == 0
    assert "7 values open, 0 do not" in capsys.readouterr().out
    assert main(["keys", "status", "--scan", *words]) == 0
    assert f"everything is under key {new.id}" in capsys.readouterr().out
    with Database(sqlite_url) as db, db.read() as session:
        (entry,) = session.execute(select(AuditEntry).where(AuditEntry.action == "keys.rotate")).scalars()
        assert (entry.resource_type, entry.resource_id) == ("key", new.id)
        assert entry.new_value == {"turned": 7, "proven": True}
        assert (entry.actor_type, entry.actor_id) == ("user", getpass.getuser())
        assert entry.mac.startswith(f"{new.id}:"), "an event without a MAC looks inserted"


def test_a_missing_key_is_named_and_the_status_is_one(keys, sqlite_url, tmp_path, capsys):
    filled(sqlite_url, keys)
    lost = Keyring.from_file(keys).primary.id
    other = tmp_path / "other"
    assert main(["keys", "generate", "--keys", str(other)]) == 0
    words = ["--keys", str(other), "--database", sqlite_url]
    assert main(["keys", "status", *words]) == 1
    assert f"{lost}   MISSING               7" in capsys.readouterr().out
    assert main(["keys", "verify", *words]) == 1
    shown = capsys.readouterr()
    assert f"key {lost} is missing" in shown.err
    assert "0 values open, 7 do not" in shown.out
    assert main(["keys", "rotate", *words]) == 1
    shown = capsys.readouterr()
    assert "NOT proven" in shown.err
    assert f"7 values under key {lost}" in shown.err
    assert SECRET not in shown.out + shown.err
    assert main(["keys", "verify", "--keys", str(keys), "--database", sqlite_url]) == 0, "something was destroyed"


def test_a_key_is_printed_only_where_no_file_is_named(keys, monkeypatch, capsys):
    assert main(["keys", "generate", "--keys", str(keys)]) == 0
    secrets = [entry.split(":")[2] for entry in keys.read_text().split()]
    shown = capsys.readouterr()
    assert not any(secret in shown.out + shown.err for secret in secrets)
    assert main(["keys", "generate", "--state", "primary"]) == 0
    shown = capsys.readouterr()
    monkeypatch.setenv("TRADECORE_KEYS", shown.out)
    monkeypatch.delenv("TRADECORE_DATABASE_URL", raising=False)
    assert main(["keys", "status"]) == 0
    assert "give --database" in capsys.readouterr().out


def test_keys_under_a_master_key(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRADECORE_MASTER_KEY", base64.b64encode(os.urandom(32)).decode())
    path = tmp_path / "wrapped"
    assert main(["keys", "generate", "--keys", str(path), "--provider", "env"]) == 0
    assert main(["keys", "status", "--keys", str(path), "--provider", "env:TRADECORE_MASTER_KEY"]) == 0
    capsys.readouterr()
    assert main(["keys", "status", "--keys", str(path)]) == 2
    assert "if it is wrapped, give its provider" in capsys.readouterr().err
    assert main(["keys", "status", "--keys", str(path), "--provider", "kms"]) == 2
    assert main(["keys", "status", "--keys", str(path), "--models", "no_such_module"]) == 2


def test_wrong_use_is_told_in_a_sentence(keys, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TRADECORE_KEYS", raising=False)
    assert main(["keys", "status"]) == 2
    assert "TRADECORE_KEYS is not set" in capsys.readouterr().err
    assert main(["keys", "generate", "--keys", str(keys), "--state", "primary"]) == 2
    assert "one key is to be primary" in capsys.readouterr().err
    assert len(keys.read_text().split()) == 1
    keys.chmod(0o644)
    assert main(["keys", "status", "--keys", str(keys)]) == 2
    assert "others may read or change it" in capsys.readouterr().err
    nowhere = tmp_path / "x"
    nowhere.write_text(Key.generate("primary").spelled())
    nowhere.chmod(0o600)
    assert main(["keys", "verify", "--keys", str(nowhere), "--database", f"sqlite:///{tmp_path}/no/such.db"]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_a_downgrade_says_that_credentials_would_be_lost(keys, sqlite_url):
    filled(sqlite_url, keys)
    with Database(sqlite_url) as db:
        said = migrations.losses(db, "platform_0002")
        assert said == ["broker_connections.credentials: rows in which it would be lost: 7"]
        migrations.downgrade(db, "platform_0002", lose=True)
        assert migrations.upgrade(db)["platform"] == "platform_0003"
        assert migrations.check(db) == []
        counted = select(func.count(BrokerConnection.id))
        assert db.run(lambda session: session.execute(counted).scalar()) == 7
