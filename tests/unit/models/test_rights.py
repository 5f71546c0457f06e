"""The check as a database user who may only read: it names the one right it lacks, and that one is enough."""

import secrets
from urllib.parse import urlsplit, urlunsplit

import pytest
from tests.databases import fresh_database

from tradecore.cli import main
from tradecore.db import Database
from tradecore.models import migrations

# How to make a user who may read, to give it the right that is asked for, and to be rid of it.
STATEMENTS = {
    "postgres": (
        "CREATE ROLE {user} LOGIN; GRANT pg_read_all_data TO {user}; REVOKE TEMP ON DATABASE {database} FROM PUBLIC",
        "GRANT TEMPORARY ON DATABASE {database} TO {user}",
        "DROP OWNED BY {user}; DROP ROLE {user}",
    ),
    "mysql": (
        "CREATE USER {user}; GRANT SELECT ON {database}.* TO {user}",
        "GRANT CREATE TEMPORARY TABLES ON {database}.* TO {user}",
        "DROP USER {user}",
    ),
}


def _done(db, statements, **names):
    with db.engine.begin() as connection:
        for statement in statements.format(**names).split("; "):
            connection.exec_driver_sql(statement)


@pytest.mark.service
@pytest.mark.parametrize("kind", STATEMENTS)
def test_who_may_not_make_temporary_tables_is_told_which_right_to_ask_for(kind, tmp_path, capsys):
    user = f"reader_{secrets.token_hex(4)}"
    create, allow, drop = STATEMENTS[kind]
    with fresh_database(kind, tmp_path) as url, Database(url) as db:
        migrations.upgrade(db)
        parts = urlsplit(url)
        names = {"user": user, "database": parts.path[1:]}
        as_reader = urlunsplit(parts._replace(netloc=f"{user}@{parts.hostname}:{parts.port}"))
        _done(db, create, **names)
        try:
            assert main(["db", "check", "--database", as_reader]) == 2
            said = capsys.readouterr()
            assert f"grant it {allow.removeprefix('GRANT ').split(' ON ')[0]} on the database" in said.err
            assert "Traceback" not in said.err
            _done(db, allow, **names)
            assert main(["db", "check", "--database", as_reader]) == 0
            assert "as it should be" in capsys.readouterr().out
        finally:
            _done(db, drop, **names)
