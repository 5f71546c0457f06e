"""Rotation: everything ends under the primary key, nothing is lost on the way, and the proof tells the truth."""

from __future__ import annotations

import inspect as python
import threading

import pytest
from sqlalchemy import String, bindparam, select, text, update
from tests.sealed_models import SECRET, Credential, Loosely, Numbered, Token, sealed_database, tokens
from tests.unit.db.colours import opened

from tradecore.crypto import Algorithm, Key, Keyring, key_id_of
from tradecore.crypto.token import parts_of, unpacked
from tradecore.db import Base, Database, Sealed, sealed_equals, soft_delete
from tradecore.db.base import Root
from tradecore.db.rotation import AsyncRotation, KeyRotation, Rotation
from tradecore.db.rotation.values import sealed_columns
from tradecore.db.soft_delete import WITH_DELETED
from tradecore.errors import ConfigurationError
from tradecore.models import BrokerConnection

OLD, NEW = Key.generate("primary"), Key.generate("primary")
BEFORE = Keyring([OLD])
AFTER = Keyring([NEW, OLD.moved_to("retired")])
ALONE = Keyring([NEW, Key.destroyed(OLD.id)])


def prepared(url, ring, **options):
    return _Prepared(url, ring, options)


class _Prepared:
    def __init__(self, url, ring, options):
        self._inner = sealed_database(url, ring, **options)

    def __enter__(self):
        db = self._inner.__enter__()
        Root.metadata.create_all(db.engine, tables=[KeyRotation.__table__])
        return db

    def __exit__(self, *error):
        return self._inner.__exit__(*error)


def fill(db, many=57):
    def unit(session):
        for n in range(many):
            account = Sealed(f"ACC-{n}") if n % 3 else None
            session.add(Credential(name=f"n{n}", secret=Sealed(f"{SECRET} {n}"), account=account))
        session.add(Token(name="t", value=Sealed("t")))
        session.add(Loosely(word="w", value=Sealed("w")))
        session.add_all([Numbered(id=5, bound=Sealed("b"), loose=Sealed("l")), Numbered(loose=Sealed("l2"))])

    db.run(unit)


def texts(db):
    with db.read() as session:
        rows = session.execute(select(Credential).order_by(Credential.id), execution_options={WITH_DELETED: True})
        return [(row.name, row.secret.open(), row.account.open() if row.account else None) for row in rows.scalars()]


def stamped(session):
    asked = select(Credential.id, Credential.updated_at, Credential.version).order_by(Credential.id)
    return session.execute(asked).all()


def put(session, attribute, key, token):
    table = attribute.__clause_element__().table
    changed = {attribute.key: bindparam("token", token, String)}
    session.connection().execute(
        update(table).where(table.c.id == key).values(changed), execution_options={WITH_DELETED: True}
    )


def test_everything_ends_under_the_primary_key(shared_database_url):
    with prepared(shared_database_url, BEFORE) as db:
        fill(db)
        kept = texts(db)
        with db.transaction() as session:
            gone = session.execute(select(Credential).limit(1)).scalar_one()
            soft_delete.delete(session, gone)
        stamps = db.run(stamped)
    with prepared(shared_database_url, AFTER) as db:
        first = Rotation(db).proof()
        assert not first.holds
        assert {one.column: one.by_key for one in first.columns if one.table == "sealed_credentials"} == {
            "account": {OLD.id: 38},
            "secret": {OLD.id: 57},
        }
        batches = []
        report = Rotation(db, batch=10).run(batches.append)
        assert report.proof.holds, report.proof.against
        assert report.turned == sum(batch.turned for batch in batches) == 57 + 38 + 1 + 1 + 3
        assert not report.failures
        assert max(batch.read for batch in batches) == 10
        assert Rotation(db).run().turned == 0
        assert db.run(stamped) == stamps, "a rotation is no change of the rows"
        with db.read() as session:
            done = session.execute(select(KeyRotation)).scalars().all()
            assert {(row.key_id, row.done, row.cursor) for row in done} == {(NEW.id, True, None)}
            found = session.execute(select(Credential.name).where(sealed_equals(Credential.account, "ACC-1", ALONE)))
            assert list(found.scalars()) == ["n1"]
    with prepared(shared_database_url, ALONE) as db:
        assert texts(db) == kept
        assert Rotation(db).verify() == (100, 0, ())


def test_killed_between_batches_it_goes_on_where_it_stood(shared_database_url):
    class Killed(BaseException): ...

    def until(number):
        left = iter(range(number))

        def told(_batch):
            if next(left, None) is None:
                raise Killed

        return told

    with prepared(shared_database_url, BEFORE) as db:
        fill(db)
    with prepared(shared_database_url, AFTER) as db:
        read, runs = [], 0
        while runs < 40:
            runs += 1
            stop = until(2)
            try:
                report = Rotation(db, batch=7).run(lambda batch, stop=stop: (read.append(batch.read), stop(batch)))
            except Killed:
                continue
            break
        assert report.proof.holds
        assert runs >= 5
        assert sum(read) == 57 + 38 + 5, "a value was turned twice"


def test_a_batch_that_loses_its_transaction_is_run_again_and_counts_once(sqlite_url, monkeypatch):
    from tradecore.db.rotation import turning
    from tradecore.errors import SerializationConflict

    real, failed = turning.progress.advance, []

    def advance(*given):
        real(*given)
        if len(failed) < 3:
            failed.append(1)
            raise SerializationConflict

    with prepared(sqlite_url, BEFORE) as db:
        fill(db)
    with prepared(sqlite_url, AFTER) as db:
        monkeypatch.setattr(turning.progress, "advance", advance)
        report = Rotation(db).run()
        assert (report.turned, report.proof.holds, len(failed)) == (100, True, 3)


@pytest.mark.parametrize("colour", ["threads", "tasks"])
def test_writers_go_on_meanwhile_and_lose_nothing(colour, shared_database_url):
    with prepared(shared_database_url, BEFORE) as db:
        fill(db, 40)
        keys = db.run(lambda s: list(s.execute(select(Credential.id)).scalars()))
    written, over, trouble = {}, threading.Event(), []

    def write(part, ring):
        try:
            with Database(shared_database_url, keyring=ring, tries=60, lock_timeout=20) as mine:
                turn = 0
                while not over.is_set() or turn < 2:
                    turn += 1
                    for key in keys[part::4]:
                        value = f"{part}/{turn}/{key}"
                        mine.run(
                            lambda s, key=key, value=value: setattr(s.get(Credential, key), "secret", Sealed(value))
                        )
                        written[key] = value
        except BaseException as error:
            trouble.append(error)

    # Two of the writers do not have the new ring's primary key yet: they go on sealing under the old one.
    both = Keyring([OLD, Key(NEW._secret, "pending")])
    writers = [threading.Thread(target=write, args=(part, AFTER if part % 2 else both)) for part in range(4)]
    with opened(colour, shared_database_url, keyring=AFTER, tries=60, lock_timeout=20.0) as face:
        rotation = (Rotation if colour == "threads" else AsyncRotation)(face.db, batch=15)
        for writer in writers:
            writer.start()
        for _ in range(2):
            rotation.run() if colour == "threads" else face._runner.run(rotation.run())
        over.set()
        for writer in writers:
            writer.join()
        assert not trouble
        report = rotation.run() if colour == "threads" else face._runner.run(rotation.run())
    assert report.proof.holds, report.proof.against
    with prepared(shared_database_url, ALONE) as db, db.read() as session:
        for key in keys:
            assert session.get(Credential, key).secret.open() == written[key]


def change(session, key, value):
    session.get(Credential, key).secret = Sealed(value)


def test_what_does_not_open_is_named_left_alone_and_stands_against_the_proof(sqlite_url):
    stranger = Keyring([Key.generate("primary")])
    with prepared(sqlite_url, BEFORE) as db:
        fill(db, 9)
        with db.transaction() as session:
            keys = list(session.execute(select(Credential.id).order_by(Credential.id)).scalars())
            stored = tokens(session, Credential.secret)
            place = ("credential", "secret", str(keys[0]))
            foreign = stranger.seal(b"x", place)
            put(session, Credential.secret, keys[0], foreign)
            put(session, Credential.secret, keys[1], stored[2])
            put(session, Credential.secret, keys[3], "plain text")
    with prepared(sqlite_url, AFTER) as db:
        report = Rotation(db, batch=2).run()
        assert not report.proof.holds
        told = {(one.row, one.key_id, one.code) for one in report.failures}
        assert told == {
            (str(keys[0]), stranger.primary.id, "KEY_MISSING"),
            (str(keys[1]), OLD.id, "DECRYPTION_FAILED"),
            (str(keys[3]), None, "DECRYPTION_FAILED"),
        }
        assert len(report.failures) == 3
        against = " ".join(report.proof.against)
        assert f"sealed_credentials.secret: 1 values under key {stranger.primary.id}" in against
        assert "sealed_credentials.secret: 1 values that are no tokens" in against
        assert "plain text" not in against + str(report)
        assert str(report.failures[0]).startswith("sealed_credentials.secret of row ")
        with db.read() as session:
            after = tokens(session, Credential.secret)
            assert [after[0], after[1], after[3]] == [foreign, stored[2], "plain text"]
            assert {key_id_of(token) for token in after[4:]} == {NEW.id}
        found = Rotation(db).verify()
        assert (found.failed, len(found.failures)) == (3, 3)


def test_tokens_in_other_columns_are_found(shared_database_url):
    with prepared(shared_database_url, BEFORE) as db:
        fill(db, 3)
        with db.transaction() as session:
            token = tokens(session, Credential.secret)[0]
            session.execute(text("CREATE TABLE hidden_notes (id INTEGER PRIMARY KEY, note TEXT, extra VARCHAR(500))"))
            session.execute(
                text("INSERT INTO hidden_notes VALUES (1, :t, 'tc1.AQ is no token'), (2, NULL, 'x')"),
                {"t": f"see {token}, and {token}."},
            )
    with prepared(shared_database_url, AFTER) as db:
        report = Rotation(db).run()
        assert [tuple(stray) for stray in report.proof.strays] == [("hidden_notes", "note", {OLD.id: 2})]
        assert not report.proof.holds
        assert "in a column that no model declares sealed" in report.proof.against[0]
        with db.transaction() as session:
            session.execute(text("DELETE FROM hidden_notes"))
        assert Rotation(db).run().proof.holds


def test_a_changed_algorithm_is_a_rotation_too(sqlite_url):
    with prepared(sqlite_url, BEFORE) as db:
        fill(db, 5)
        kept = texts(db)
    wide = Keyring([OLD], algorithm=Algorithm.XAES_256_GCM)
    with prepared(sqlite_url, wide) as db:
        assert "values by another algorithm" in " ".join(Rotation(db).proof().against)
        assert Rotation(db).run().proof.holds
        assert texts(db) == kept
        stored = [parts_of(unpacked(token)) for token in db.run(tokens, Credential.secret)]
        assert stored == [(Algorithm.XAES_256_GCM, OLD.id)] * 5


def test_what_is_missing_is_said(sqlite_url):
    with sealed_database(sqlite_url, None) as db, pytest.raises(ConfigurationError, match="there is no ring"):
        Rotation(db)
    with sealed_database(sqlite_url, AFTER) as db:
        with pytest.raises(ConfigurationError, match="tradecore db upgrade"):
            Rotation(db).run()
        for batch in (0, 10_001):
            with pytest.raises(ConfigurationError, match="a batch has"):
                Rotation(db, batch=batch)


def test_every_sealed_column_of_the_models_is_gone_through():
    assert BrokerConnection.__tablename__ == "broker_connections"
    found = {str(column) for column in sealed_columns(Base)}
    assert {"sealed_credentials.secret", "sealed_credentials.account", "broker_connections.credentials"} <= found
    assert len(found) == len(sealed_columns(Base))


def test_both_colours_have_one_face():
    def face(kind):
        return {
            name: python.signature(member).replace(return_annotation=None)
            for name, member in vars(kind).items()
            if callable(member) and not name.startswith("_")
        }

    assert face(Rotation) == face(AsyncRotation)
