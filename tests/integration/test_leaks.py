"""A planted secret is hunted: in every text, log line, traceback, pickle, statement and file left behind."""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
import traceback

import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import StatementError
from tests.sealed_models import TABLES, Credential, Token, sealed_database, tokens

from tradecore.cli import main
from tradecore.crypto import Key, Keyring
from tradecore.db import Database, Repository, Sealed
from tradecore.db.base import Root
from tradecore.db.rotation import KeyRotation, Rotation
from tradecore.errors import ConfigurationError, DecryptionFailed, KeyMissing, TradeCoreError, UniqueViolation
from tradecore.models import BrokerConnection, migrations
from tradecore.orders.connections import broker_of, keep_credentials
from tradecore.redact import redact, redact_text

SECRET = "s3cr3t-PLANTED-4711"
KEY = Key.generate("primary")
RING = Keyring([KEY])


class Hunt:
    """Gathers everything that could be read by somebody who should not."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, *things: object) -> None:
        self.found += [f"{thing}\n{thing!r}" for thing in things]

    def error(self, error: BaseException) -> None:
        """Take what a handler shows: messages, notes, details, causes, contexts; with the locals of our own frames."""
        shown = traceback.TracebackException.from_exception(error, capture_locals=False)
        self.found.append("".join(shown.format()))
        link: BaseException | None = error
        while link is not None:
            self.add(
                link,
                link.args,
                vars(link),
                getattr(link, "object", ""),
                getattr(link, "doc", ""),
                getattr(link, "details", ()),
                getattr(link, "__notes__", ()),
            )
            self.add(getattr(link, "orig", None), getattr(getattr(link, "orig", None), "diag", None))
            diagnostics = getattr(getattr(link, "orig", link), "diag", None)
            for name in dir(diagnostics) if diagnostics is not None else ():
                self.add(getattr(diagnostics, name))
            link = link.__cause__ or link.__context__
        with contextlib.suppress(Exception):
            self.found.append(pickle.dumps(error).decode("latin-1"))

    def end(self) -> None:
        wanted = [SECRET, SECRET.encode().hex(), KEY._secret.hex(), KEY.spelled().split(":")[2], repr(KEY._secret)]
        for one in wanted:
            assert not [found for found in self.found if one in found]


@pytest.fixture
def hunt(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for name in ("sqlalchemy.engine", "sqlalchemy.pool", "sqlalchemy.orm", "tradecore"):
        caplog.set_level(logging.DEBUG, name)
    hunting = Hunt()
    yield hunting
    hunting.found += [record.getMessage() + str(record.args) + str(record.exc_text) for record in caplog.records]
    hunting.found += list(capfd.readouterr())
    assert any("INSERT INTO" in found for found in hunting.found), "the statements were not heard"
    hunting.end()


def test_the_planted_secret_is_nowhere_in_the_ordinary_life_of_rows(shared_database_url, hunt):
    with sealed_database(shared_database_url, RING, echo=True) as db:
        hunt.add(db, db.settings, db.belongings, vars(db), RING, KEY, Sealed(SECRET), {"a": [Sealed(SECRET)]})
        hunt.add(redact({"box": Sealed(SECRET)}), redact_text(str(Sealed(SECRET))))
        rows = [
            Credential(name="a", secret=Sealed(SECRET), account=Sealed(SECRET)),
            Token(name="n", value=Sealed(SECRET)),
        ]
        db.run(lambda session: session.add_all(rows))
        hunt.add(*rows, *(vars(row) for row in rows), *(pickle.dumps(row).decode("latin-1") for row in rows))

        class Tokens(Repository[Token]): ...

        with db.transaction() as session:
            Tokens(session).upsert([{"name": "n", "value": Sealed(SECRET)}], on=[Token.name])
            row = session.execute(select(Credential)).scalar_one()
            row.secret = Sealed(SECRET)
            session.flush()
            hunt.add(row.secret, session, session.identity_map.values(), session.info, tokens(session, Token.value))
            for form in ("csv", "jsonl"):
                hunt.add(*(chunk.data for chunk in Tokens(session).export(whole_table=True, form=form)))
            raw = session.execute(text("SELECT * FROM sealed_credentials WHERE deleted_at IS NULL"))
            hunt.add(*(tuple(one) for one in raw))
        assert row.secret.open() == SECRET
        turned = Keyring([Key.generate("primary"), KEY.moved_to("retired")])
    with sealed_database(shared_database_url, turned, echo=True) as db:
        Root.metadata.create_all(db.engine, tables=[KeyRotation.__table__])
        hunt.add(Rotation(db).run(hunt.add), Rotation(db).verify(), Rotation(db).proof(scan=True))


def _failures(db):
    """Yield what fails while a secret is at hand: (name, what to do)."""
    table = Credential.__table__
    yield lambda s: s.add(Credential(id=7, name="x" * 41_000, secret=Sealed(SECRET)))
    yield lambda s: s.add(Token(name="n", value=Sealed(SECRET)))
    yield lambda s: s.add(Credential(name=None, secret=Sealed(SECRET)))
    yield lambda s: s.execute(insert(Credential), [{"name": "b", "secret": SECRET}])
    yield lambda s: s.execute(insert(table).values(name="b", secret=Sealed(SECRET)))
    yield lambda s: s.execute(update(Credential).values(secret=SECRET).where(Credential.name == "a"))
    yield lambda s: s.execute(select(Credential).where(Credential.secret == SECRET))
    yield lambda s: Credential(name="a", secret=SECRET)
    yield lambda s: Sealed("\ud800" + SECRET)
    yield lambda s: Sealed(SECRET * 10_000)
    yield lambda s: pickle.dumps(Sealed(SECRET))
    yield lambda s: s.execute(select(BrokerConnection)).all()  # no such table here


def test_errors_do_not_tell_it_nor_do_their_causes(shared_database_url, hunt):
    with sealed_database(shared_database_url, RING) as db:
        db.run(lambda session: session.add(Token(name="n", value=Sealed(SECRET))))
        failed = 0
        for fail in _failures(db):
            try:
                db.run(lambda session, fail=fail: (fail(session), session.flush()))
            except (StatementError, TradeCoreError, TypeError, ValueError) as error:
                failed += 1
                hunt.error(error)
        assert failed >= 11
        for keys in (KEY.spelled() + "é", KEY.spelled()[:-1], KEY.spelled() + "AA"):
            with pytest.raises(ConfigurationError) as wrong:
                Keyring.from_text(keys)
            hunt.error(wrong.value)
        with pytest.raises(UniqueViolation) as caught:
            db.run(lambda session: session.add(Token(name="n", value=Sealed(SECRET))))
        hunt.error(caught.value)
        row = db.run(lambda session: session.execute(select(Token)).scalar_one())
    with (
        sealed_database(shared_database_url, Keyring([Key.generate("primary")])) as stranger,
        stranger.read() as session,
    ):
        with pytest.raises(KeyMissing) as missing:
            session.get(Token, row.id).value.open()
        hunt.error(missing.value)
    with pytest.raises(DecryptionFailed) as moved:
        RING.open(row.value._token, ("another", "place"))
    hunt.error(moved.value)


def _is_hunted(thing, name, kind, *_):
    return kind != "table" or thing in TABLES or name == "noted"


def test_migrations_do_not_hold_it(sqlite_url, hunt):
    with sealed_database(sqlite_url, RING, echo=True) as db:
        Root.metadata.drop_all(db.engine, tables=TABLES)
        db.run(lambda session: session.execute(text("CREATE TABLE noted (id INTEGER)")))
        db.run(lambda session: session.execute(text("INSERT INTO noted VALUES (1)")))
        with db.engine.connect() as connection:
            # Only its own tables: what other tests declare is none of its business.
            context = MigrationContext.configure(connection, opts={"include_object": _is_hunted})
            script = produce_migrations(context, Root.metadata)
            code = render_python_code(script.upgrade_ops)
        assert "sealed_credentials" in code
        assert "SealedText()" in code
        hunt.add(code)


def test_the_command_line_and_the_credentials_of_connections_do_not_tell_it(sqlite_url, tmp_path, hunt):
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    path.write_text(KEY.spelled())
    with Database(sqlite_url, keyring=RING, echo=True) as db:
        migrations.upgrade(db)
        connection = BrokerConnection(broker="alpaca", name="house")
        keep_credentials(connection, {"key": "PK1", "secret": SECRET})
        db.run(lambda session: session.add(connection))
        with db.read() as session:
            row = session.execute(select(BrokerConnection)).scalar_one()
            broker = broker_of(row)
        hunt.add(row, vars(row), broker, vars(broker))
    words = ["--keys", str(path), "--database", sqlite_url]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        for verb in (["status", "--scan"], ["verify"], ["rotate"], ["generate"]):
            assert main(["keys", verb[0], *words, *verb[1:]]) == 0
    hunt.add(said.getvalue())
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
