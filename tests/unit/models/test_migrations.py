"""The shipped revisions make the tables the models describe, on every database."""

import json
import subprocess
import sys

import pytest
from sqlalchemy import text

from tradecore.cli import main
from tradecore.db import AsyncDatabase, Database
from tradecore.db.revisions import REVISIONS
from tradecore.errors import ConfigurationError
from tradecore.models import User, migrations
from tradecore.models.migrations.upgrading import scripts

HEADS = {branch: revisions[-1] for branch, revisions in REVISIONS.items()}


def test_the_listed_revisions_are_the_files():
    found = {branch: [] for branch in REVISIONS}
    for script in scripts().walk_revisions():
        found[script.revision.rsplit("_", 1)[0]].insert(0, script.revision)
    assert found == {branch: list(revisions) for branch, revisions in REVISIONS.items()}


def test_the_core_alone_then_the_platform_then_nothing_left_to_do(database_url):
    with Database(database_url) as db:
        assert migrations.current(db) == {"core": None, "platform": None}
        assert migrations.upgrade(db, platform=False) == {"core": HEADS["core"], "platform": None}
        assert migrations.check(db) == []
        db.check_migrated()
        assert not db.platform
        assert migrations.upgrade(db) == HEADS
        assert migrations.check(db) == []
        assert migrations.upgrade(db, platform=False) == HEADS


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DROP INDEX ix_tc_jobs_key{on}", "ix_tc_jobs_key"),
        ("ALTER TABLE users DROP COLUMN login_method", "login_method"),
        ("ALTER TABLE tc_jobs ADD COLUMN surplus INTEGER", "surplus"),
        ("DROP TABLE tc_reviews", "tc_reviews"),
    ],
)
def test_check_names_what_differs(shared_database_url, damage, told):
    with Database(shared_database_url) as db:
        migrations.upgrade(db)
        with db.engine.begin() as connection:
            connection.execute(text(damage.format(on=" ON tc_jobs" if db.dialect_name == "mysql" else "")))
        findings = migrations.check(db)
    assert len(findings) >= 1
    assert told in findings[0]


def test_a_missing_check_constraint_is_found(postgres_url):
    with Database(postgres_url) as db:
        migrations.upgrade(db)
        with db.engine.begin() as connection:
            connection.execute(text("ALTER TABLE tc_fills DROP CONSTRAINT ck_tc_fills_quantity_positive"))
        assert migrations.check(db) == ["missing check: tc_fills ck_tc_fills_quantity_positive"]


def test_tables_of_the_host_are_left_alone(database_url):
    with Database(database_url) as db:
        migrations.upgrade(db)
        with db.engine.begin() as connection:
            connection.execute(text("CREATE TABLE my_own (id INTEGER PRIMARY KEY)"))
        assert migrations.check(db) == []


def test_an_unmigrated_database_says_what_to_do(database_url):
    with Database(database_url) as db, pytest.raises(ConfigurationError, match="run `tradecore db upgrade") as caught:
        db.check_migrated()
    assert HEADS["core"] in caught.value.message


def test_a_database_newer_than_the_release_is_refused(sqlite_url):
    with Database(sqlite_url) as db:
        migrations.upgrade(db)
        with db.engine.begin() as connection:
            connection.execute(
                text("UPDATE tc_alembic_version SET version_num = 'platform_9999' WHERE version_num LIKE 'platform%'")
            )
        with pytest.raises(ConfigurationError, match="upgrade tradecore"):
            db.check_migrated()


@pytest.mark.anyio
async def test_the_async_database_upgrades_itself(database_url):
    async with AsyncDatabase(database_url) as db:
        with pytest.raises(ConfigurationError, match="not migrated"):
            await db.check_migrated()
        assert await migrations.upgrade_async(db) == HEADS
        await db.check_migrated()
        assert await db.look_for_platform()
        await db.run(lambda session: session.add(User(email="A@b.example")))


_UPGRADE = """
import json, sys
from tradecore.models import migrations
print(json.dumps(migrations.upgrade(sys.argv[1])))
"""


def test_processes_that_start_at_once_upgrade_once(shared_database_url):
    started = [
        subprocess.Popen([sys.executable, "-c", _UPGRADE, shared_database_url], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [json.loads(process.communicate()[0]) for process in started] == [HEADS] * 2
    assert migrations.check(shared_database_url) == []


def test_downgrade_takes_the_platform_away_again(shared_database_url):
    with Database(shared_database_url) as db:
        migrations.upgrade(db)
        assert migrations.downgrade(db, "platform@base") == {"core": HEADS["core"], "platform": None}
        assert migrations.check(db) == []


def test_the_command_line(sqlite_url, capsys, monkeypatch):
    monkeypatch.delenv("TRADECORE_DATABASE_URL", raising=False)
    assert main(["db", "upgrade"]) == 2
    assert main(["db", "check", "--database", sqlite_url]) == 2  # no such file, and none is made
    assert main(["db", "upgrade", "--core-only", "--database", sqlite_url]) == 0
    assert "not installed" in capsys.readouterr().out
    monkeypatch.setenv("TRADECORE_DATABASE_URL", sqlite_url)
    assert main(["db", "upgrade"]) == 0
    assert main(["db", "current"]) == 0
    assert HEADS["platform"] in capsys.readouterr().out
    assert main(["db", "check"]) == 0


def test_the_command_line_goes_back_only_when_told_twice(sqlite_url, capsys):
    where = ["--database", sqlite_url]
    assert main(["db", "upgrade", *where]) == 0
    with Database(sqlite_url) as db, db.engine.begin() as connection:
        connection.execute(text("INSERT INTO benchmarks VALUES (1, 'SPY', '2026-01-05', 1, 1, 1, 1, 1, '', '')"))
    assert main(["db", "downgrade", *where]) == 2
    assert "--to" in capsys.readouterr().err
    assert main(["db", "downgrade", "--to", "platform_0001", *where]) == 1
    assert "benchmarks: rows that would be lost: 1" in capsys.readouterr().out
    assert migrations.current(sqlite_url) == HEADS
    assert main(["db", "downgrade", "--to", "platform_0001", "--yes", *where]) == 0
    assert "platform_0001" in capsys.readouterr().out
    assert main(["db", "downgrade", "--to", "nowhere", "--yes", *where]) == 2
