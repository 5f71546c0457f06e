"""The roads to and from a sealed column: filters, bulk statements, upserts, exports, pickles, both colours."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.exc import StatementError
from tests.sealed_models import SECRET, Credential, Loosely, Token, planted, ring_of_one, sealed_database, tokens
from tests.unit.db.colours import COLOURS, opened

from tradecore.crypto import Key, Keyring
from tradecore.db import Field, Query, Repository, Sealed, SealedText, sealed_equals, soft_delete
from tradecore.db.soft_delete import WITH_DELETED
from tradecore.errors import ConfigurationError

RING = ring_of_one()


class Credentials(Repository[Credential]): ...


class Tokens(Repository[Token]): ...


@pytest.fixture
def db(database_url):
    with sealed_database(database_url, RING) as db:
        yield db


@pytest.fixture
def lite(sqlite_url):
    with sealed_database(sqlite_url, RING) as db:
        yield db


REFUSED = {
    "equals": lambda: Credential.secret == "x",
    "equals a box": lambda: Credential.secret == Sealed("x"),
    "differs": lambda: Credential.secret != "x",
    "in": lambda: Credential.secret.in_(["x"]),
    "like": lambda: Credential.secret.like("x%"),
    "contains": lambda: Credential.secret.contains("x"),
    "less": lambda: Credential.secret < "x",
    "reversed": lambda: "x" == Credential.secret,  # noqa: SIM300
    "added": lambda: "x" + Credential.secret,
    "another column": lambda: Credential.secret == Credential.account,
    "the same column": lambda: Credential.secret == Token.value,
    "order": lambda: Credential.secret.desc(),
    "table": lambda: Credential.__table__.c.secret == "x",
    "filter_by": lambda: select(Credential).filter_by(secret="x"),
    "sum": lambda: Credential.secret + "x",
}


@pytest.mark.parametrize("road", REFUSED.values(), ids=REFUSED)
def test_filters_raise_and_name_the_blind_index(road):
    with pytest.raises((ConfigurationError, TypeError)) as caught:
        road()
    assert isinstance(caught.value, ConfigurationError), caught.value
    assert "sealed_equals" in str(caught.value)


def test_a_request_can_neither_filter_nor_sort_by_it(lite):
    with pytest.raises(ValueError, match="cannot spell a Sealed"):

        class Bad(Query[Credential]):
            secret = Field(Credential.secret)

    with lite.read() as session, pytest.raises(TypeError, match="Sealed does not fit into a cursor"):
        Credentials(session).page(order_by=Credential.secret, limit=5)


def test_null_is_the_one_thing_it_compares_with(db):
    db.run(lambda session: (planted(session), planted(session, account=Sealed("x"))))
    with db.read() as session:
        assert session.scalar(select(func.count(Credential.id)).where(Credential.account.is_(None))) == 1
        assert session.scalar(select(func.count(Credential.id)).where(Credential.account.is_not(None))) == 1
        assert session.scalar(select(func.count(Credential.id)).where(Credential.account == None)) == 1  # noqa: E711
        assert session.scalar(select(func.count(Credential.account))) == 1


def test_a_value_is_found_by_its_blind_index_under_any_key(db):
    with db.transaction() as session:
        planted(session, account=Sealed("ACC-1"))
        planted(session, account=Sealed("ACC-2"))
        wanted = select(Credential.id).where(sealed_equals(Credential.account, " ACC-1 ", RING))
        assert len(session.execute(wanted).all()) == 1
        assert not session.execute(select(Credential.id).where(sealed_equals(Credential.account, "x", RING))).all()
    turned = Keyring([Key.generate("primary"), RING.primary.moved_to("retired")])
    with db.transaction() as session:
        found = select(Credential.id).where(sealed_equals(Credential.account, "ACC-1", turned))
        assert len(session.execute(found).all()) == 1
    with pytest.raises(ConfigurationError, match="has no blind index"):
        sealed_equals(Credential.secret, "x", RING)


BULK = {
    "core insert": lambda s, v: s.execute(insert(Credential.__table__), [{"name": "b", "secret": v}]),
    "orm insert": lambda s, v: s.execute(insert(Credential), [{"name": "b", "secret": v}]),
    "insert values": lambda s, v: s.execute(insert(Credential).values(name="b", secret=v)),
    "mappings": lambda s, v: s.bulk_insert_mappings(Credential, [{"id": 1, "name": "b", "secret": v}]),
    "update": lambda s, v: s.execute(update(Credential).values(secret=v).where(Credential.name == "a")),
    "core update": lambda s, v: s.execute(
        update(Credential.__table__).values(secret=v).where(Credential.__table__.c.deleted_at.is_(None))
    ),
    "connection": lambda s, v: s.connection().execute(insert(Credential.__table__), {"name": "b", "secret": v}),
    "select literal": lambda s, v: s.execute(select(literal(v, SealedText()))),
}


@pytest.mark.parametrize("value", ["text", "box", "loaded box"])
@pytest.mark.parametrize("road", BULK.values(), ids=BULK)
def test_bulk_roads_are_refused_without_the_value(lite, road, value):
    with lite.transaction() as session:
        row = planted(session)
        before = tokens(session, Credential.secret)
    given = {"text": SECRET, "box": Sealed(SECRET), "loaded box": row.secret}[value]
    with pytest.raises((StatementError, ConfigurationError)) as caught:
        lite.run(road, given)
    assert "a sealed column is written by" in str(caught.value)
    assert SECRET not in str(caught.value) + repr(caught.value)
    with lite.read() as session:
        assert tokens(session, Credential.secret) == before


def test_bulk_save_objects_is_refused(lite):
    row = Credential(id=5, name="a", secret=Sealed(SECRET))
    with pytest.raises((StatementError, ConfigurationError)) as caught:
        lite.run(lambda session: session.bulk_save_objects([row]))
    assert SECRET not in str(caught.value)


def test_null_may_be_written_in_bulk(lite):
    lite.run(lambda session: planted(session, account=Sealed("x")))
    with lite.transaction() as session:
        session.execute(update(Credential).values(account=None).where(Credential.name == "a"))
        assert tokens(session, Credential.account) == [None]


def test_an_upsert_seals_what_is_bound_to_its_key(db):
    for value in ("one", "two"):
        with db.transaction() as session:
            done = Tokens(session).upsert(
                [{"name": f"n{n}", "value": Sealed(f"{value} {n}")} for n in range(3)], on=[Token.name]
            )
            assert done.inserted == (3 if value == "one" else 0)
        with db.read() as session:
            rows = session.execute(select(Token).order_by(Token.name)).scalars().all()
            assert [row.value.open() for row in rows] == [f"{value} {n}" for n in range(3)]
            found = session.execute(select(Token.name).where(sealed_equals(Token.value, f"{value} 1", RING))).scalars()
            assert list(found) == ["n1"]


def test_an_upsert_refuses_what_would_be_bound_to_another_row(lite):
    class Loose(Repository[Loosely]): ...

    with lite.transaction() as session:
        with pytest.raises(ConfigurationError, match="does not know of a row that is there"):
            Loose(session).upsert([{"word": "w", "value": Sealed("new")}], on=[Loosely.word])
        Loose(session).upsert([{"word": "w", "value": Sealed("new")}], on=[Loosely.word], update=[])
        (row,) = session.execute(select(Loosely)).scalars()
        assert row.value.open() == "new"
        Loose(session).upsert([{"word": "w", "value": Sealed("newer")}], on=[Loosely.word], update=[])
        session.expire_all()
        assert row.value.open() == "new"
        with pytest.raises(TypeError, match="value is sealed"):
            Tokens(session).upsert([{"name": "n", "value": SECRET}], on=[Token.name])


def test_pickles_hold_tokens_or_are_refused(lite):
    with pytest.raises(TypeError, match="not sealed yet"):
        pickle.dumps(Sealed(SECRET))
    with pytest.raises(TypeError, match="not sealed yet"):
        pickle.dumps(Credential(name="a", secret=Sealed(SECRET)))
    key = lite.run(lambda session: planted(session).id)
    with lite.read() as session:
        row = session.get(Credential, key)
        data = pickle.dumps(row)
    assert SECRET.encode() not in data
    assert RING.primary._secret not in data
    again = pickle.loads(data)
    with pytest.raises(ConfigurationError, match="pickled"):
        again.secret.open()
    assert repr(again.secret) == "Sealed(***)"
    with lite.transaction() as session:
        session.add(again)
        session.refresh(again)
        assert again.secret.open() == SECRET


def test_a_deep_copy_of_a_box_is_the_box():
    box = Sealed("x")
    assert copy.deepcopy({"a": box})["a"] is box


def test_json_does_not_take_a_box():
    with pytest.raises(TypeError):
        json.dumps({"secret": Sealed(SECRET)})
    assert SECRET not in json.dumps({"secret": Sealed(SECRET)}, default=str)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_exports_and_streams_show_boxes_never_text(db, form):
    db.run(lambda session: planted(session, account=Sealed(SECRET)))
    with db.read() as session:
        data = b"".join(chunk.data for chunk in Credentials(session).export(whole_table=True, form=form)).decode()
        assert data.count("Sealed(***)") == 2
        assert SECRET not in data
        assert "tc1." not in data
        (row,) = list(Credentials(session).stream(whole_table=True))
        assert row.secret.open() == SECRET


def test_deleted_rows_stay_sealed_and_come_back(db):
    key = db.run(lambda session: planted(session).id)
    with db.transaction() as session:
        Credentials(session).delete(key)
    with db.transaction() as session:
        assert session.get(Credential, key) is None
        row = session.execute(select(Credential), execution_options={WITH_DELETED: True}).scalar_one()
        assert row.secret.open() == SECRET
        soft_delete.restore(session, row)
    with db.transaction() as session:
        assert session.get(Credential, key).secret.open() == SECRET
        session.execute(delete(Credential).where(Credential.id == key))


@pytest.mark.parametrize("colour", COLOURS)
def test_both_colours_and_replicas_open(colour, tmp_path):
    url = f"sqlite:///{tmp_path / 'both.db'}"
    with sealed_database(url, RING) as db:
        key = db.run(lambda session: planted(session).id)
    with opened(colour, url, keyring=RING, replicas=[url]) as face:
        assert face.db.keyring is RING
        assert face.run(lambda session: session.get(Credential, key).secret.open()) == SECRET
        assert face.run_read(lambda session: session.get(Credential, key).secret.open()) == SECRET
        face.run(lambda session: planted(session) and None)


def test_the_type_shows_no_secret_in_a_migration_and_no_literal():
    assert repr(SealedText()) == "SealedText()"
    statement = select(literal(Sealed(SECRET), SealedText()))
    assert SECRET not in str(statement)
    with pytest.raises(Exception, match=r"sealed column is written by|ould not render") as caught:
        str(statement.compile(compile_kwargs={"literal_binds": True}))
    assert SECRET not in str(caught.value)
