"""MACs by a key that is not on the ring: of a destroyed one it is said, of one that never was the log is broken."""

import pytest
from tests.unit.audit.trail import KeyedDatabase, found, made, sealed, sql, tampering, write

from tradecore.audit import seal
from tradecore.cli import main
from tradecore.crypto import Key, Keyring
from tradecore.db import Database
from tradecore.errors import AuditBroken
from tradecore.models import migrations

STRANGER = "0badc0de"


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "not sealed"])
def test_an_event_in_the_name_of_a_key_that_never_was(shared_database_url, is_sealed):
    with KeyedDatabase(shared_database_url) as db:
        sealed(made(db))
        db.run(write)
        with tampering(db) as connection:
            last = sql(connection, "SELECT max(id) FROM tc_audit_log").scalar_one()
            sql(connection, "UPDATE tc_audit_log SET mac = :m WHERE id = :id", m=f"{STRANGER}:{'A' * 43}", id=last)
        if is_sealed:
            seal(db)
        kinds, report = found(db)
        assert (kinds, report.missing_keys, report.ok) == ({"unknown key"}, {STRANGER}, False)
        with pytest.raises(AuditBroken, match="1 unknown key"):
            report.raise_if_broken()


def test_a_key_that_was_taken_off_the_ring_is_asked_for_until_it_is_listed_as_destroyed(
    sqlite_url, capsys, monkeypatch
):
    old, new = Key.generate("primary"), Key.generate("primary")
    with Database(sqlite_url, keyring=Keyring([old])) as db:
        migrations.upgrade(db)
        sealed(db)
    expected = {
        f"{new.spelled()} {old.moved_to('retired').spelled()}": (0, False),
        new.spelled(): (1, True),
        f"{new.spelled()} destroyed:{old.id}": (0, True),
    }
    for ring, (status, is_missing) in expected.items():
        monkeypatch.setenv("TRADECORE_KEYS", ring)
        assert main(["audit", "verify", "--database", sqlite_url]) == status
        said = capsys.readouterr().out
        assert (f"key {old.id} is not on the ring" in said) is is_missing
        assert ("neither has nor lists as destroyed" in said) is (status == 1)
