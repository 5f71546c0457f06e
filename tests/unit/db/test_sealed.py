"""Sealed columns: tokens in the database, boxes in Python, and every other road refused in words."""

from __future__ import annotations

import copy

import pytest
from sqlalchemy import String, bindparam, func, select, text, type_coerce, update
from sqlalchemy.orm import DeclarativeBase, Mapped, defer, load_only, mapped_column
from tests.sealed_models import SECRET, Credential, Numbered, Token, planted, ring_of_one, sealed_database, tokens

from tradecore.crypto import Key, Keyring, is_token, key_id_of
from tradecore.db import Repository, Sealed, sealed
from tradecore.errors import ConfigurationError, DecryptionFailed, KeyMissing

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


def test_a_secret_goes_in_and_comes_out_and_stands_nowhere(db):
    key = db.run(lambda session: planted(session, account=Sealed("ACC-1")).id)
    with db.transaction() as session:
        row = session.get(Credential, key)
        assert repr(row.secret) == str(row.secret) == f"{row.secret}" == "Sealed(***)"
        assert row.secret.open() == SECRET
        assert row.account.open() == "ACC-1"
        assert row.secret.key_id == RING.primary.id
        (token,) = tokens(session, Credential.secret)
    assert is_token(token)
    assert RING.open(token, ("credential", "secret", str(key))).decode() == SECRET
    assert row.secret.open() == SECRET, "a detached row opens too"


def test_the_row_that_was_added_holds_a_sealed_box_and_the_given_one_is_untouched(db):
    given = Sealed(SECRET)
    with db.transaction() as session:
        row = Credential(name="a", secret=given)
        session.add(row)
        session.flush()
        assert row.secret is not given
        assert row.secret.key_id == RING.primary.id
        assert given.key_id is None
        assert row.secret.open() == given.open() == SECRET


def test_one_box_in_many_rows_and_tries_is_sealed_for_each(db):
    given, tries = Sealed(SECRET), []

    def unit(session):
        tries.append(1)
        session.add_all([Credential(name=str(n), secret=given, account=given) for n in range(20)])
        session.flush()
        if len(tries) == 1:
            from tradecore.errors import SerializationConflict

            raise SerializationConflict

    db.run(unit)
    with db.transaction() as session:
        stored = tokens(session, Credential.secret) + tokens(session, Credential.account)
        assert len(set(stored)) == 40
        rows = session.execute(select(Credential)).scalars().all()
        assert {row.secret.open() for row in rows} == {row.account.open() for row in rows} == {SECRET}


def test_a_change_is_seen_and_what_did_not_change_is_not_sealed_again(db):
    key = db.run(lambda session: planted(session).id)
    with db.transaction() as session:
        (before,) = tokens(session, Credential.secret)
        row = session.get(Credential, key)
        row.name = "b"
        row.secret = row.secret
        session.flush()
        assert tokens(session, Credential.secret) == [before]
        row.secret = copy.copy(row.secret)
        session.flush()
        assert tokens(session, Credential.secret) == [before]
        row.secret = Sealed(SECRET)
        session.flush()
        assert tokens(session, Credential.secret) != [before]
        row.secret = Sealed("")
    with db.transaction() as session:
        row = session.get(Credential, key)
        assert row.secret.open() == ""
        assert row.account is None
        row.account = Sealed("x")
        session.flush()
        row.account = None
        session.flush()
        assert tokens(session, Credential.account) == [None]
        assert row.account_index is None


def test_a_box_of_one_row_given_to_another_is_sealed_anew(db):
    with db.transaction() as session:
        one, two = planted(session), Credential(name="b", secret=Sealed("other"))
        session.add(two)
        session.flush()
        two.secret = one.secret
        two.account = one.secret
        session.flush()
    with db.transaction() as session:
        one, two = session.execute(select(Credential).order_by(Credential.id)).scalars()
        assert [one.secret.open(), two.secret.open(), two.account.open()] == [SECRET] * 3


def test_listing_opens_nothing(db, monkeypatch):
    db.run(lambda session: [planted(session) for _ in range(50)])
    opened = []
    real = Keyring.open_at
    monkeypatch.setattr(Keyring, "open_at", lambda *given: opened.append(1) or real(*given))
    with db.read() as session:
        rows = Credentials(session).page(limit=50).items
        assert len(rows) == 50
        assert "Sealed(***)" in repr([row.secret for row in rows])
        assert not opened
        assert rows[7].secret.open() == SECRET
        assert len(opened) == 1


@pytest.mark.parametrize("bad", ["", "tc1.AAAA", "s3cret", "tc1." + "A" * 100, "ü"])
def test_one_bad_row_does_not_break_a_page(lite, bad):
    with lite.transaction() as session:
        keys = [planted(session).id for _ in range(3)]
        session.execute(
            text("UPDATE sealed_credentials SET secret = :bad WHERE id = :id AND deleted_at IS NULL"),
            {"bad": bad, "id": keys[1]},
        )
    with lite.read() as session:
        rows = Credentials(session).page(order_by=Credential.id.asc(), limit=10).items
        assert [rows[0].secret.open(), rows[2].secret.open()] == [SECRET, SECRET]
        with pytest.raises(DecryptionFailed) as caught:
            rows[1].secret.open()
        (detail,) = caught.value.details
        assert (detail["table"], detail["column"], detail["row"]) == ("sealed_credentials", "secret", str(keys[1]))
        assert f"sealed_credentials.secret of row {keys[1]}: " in str(caught.value)
        assert not bad or bad not in str(caught.value)
        assert rows[1].secret.key_id is None


def put(session, attribute, key, token):
    """Write a token behind the library's back."""
    table = attribute.__clause_element__().table
    changed = {attribute.key: bindparam("token", token, String)}
    session.connection().execute(update(table).where(table.c.id == key, table.c.deleted_at.is_(None)).values(changed))


def test_swaps_of_rows_columns_and_tables_are_seen(db):
    with db.transaction() as session:
        one, two = planted(session, account=Sealed("x")).id, planted(session, account=Sealed("y")).id
        first, second = tokens(session, Credential.secret)
        account, _ = tokens(session, Credential.account)
        put(session, Credential.secret, one, second)
        put(session, Credential.secret, two, first)
        put(session, Credential.account, two, account)
    with db.read() as session:
        for key in (one, two):
            with pytest.raises(DecryptionFailed, match="damaged, or belongs elsewhere"):
                session.get(Credential, key).secret.open()
        with pytest.raises(DecryptionFailed):
            session.get(Credential, two).account.open()
    with db.transaction() as session:
        put(session, Credential.secret, one, account)
        session.add(Token(id=one, name=str(one), value=Sealed("t")))
        session.flush()
        (foreign,) = tokens(session, Token.value)
        put(session, Credential.account, one, foreign)
    with db.read() as session:
        row = session.get(Credential, one)
        for box in (row.secret, row.account):
            with pytest.raises(DecryptionFailed):
                box.open()
        assert session.get(Token, one).value.open() == "t"


def test_two_tables_do_not_share_a_context_and_a_column():
    class Own(DeclarativeBase): ...

    class One(Own):
        __tablename__ = "ones"
        id: Mapped[int] = mapped_column(primary_key=True)
        secret: Mapped[Sealed] = sealed(context="same")

    class Two(Own):
        __tablename__ = "twos"
        id: Mapped[int] = mapped_column(primary_key=True)
        secret: Mapped[Sealed] = sealed(context="same")

    try:
        with pytest.raises(ConfigurationError, match="ones and twos seal 'secret' in one context, 'same'"):
            Own.registry.configure()
    finally:
        Own.registry.dispose()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"bind": "nothing"}, "'nothing'"), ({"index": "nothing"}, "'nothing'"), ({"bind": "at"}, "many")],
)
def test_what_a_column_is_bound_to_is_there_and_has_one_spelling(options, said):
    class Own(DeclarativeBase): ...

    class One(Own):
        __tablename__ = "ones"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[float]
        secret: Mapped[Sealed] = sealed(**options)

    try:
        with pytest.raises(ConfigurationError, match=said):
            Own.registry.configure()
    finally:
        Own.registry.dispose()


def test_what_is_no_box_is_refused_where_it_is_set_and_not_repeated():
    for wrong in (SECRET, SECRET.encode(), 7, ["x"]):
        with pytest.raises(TypeError) as caught:
            Credential(name="a", secret=wrong)
        assert "secret is sealed: give it a box" in str(caught.value)
        assert SECRET not in str(caught.value)
    row = Credential(name="a", secret=Sealed("x"))
    with pytest.raises(TypeError):
        row.secret = SECRET
    assert row.secret.open() == "x"


@pytest.mark.parametrize("wrong", [None, 7, b"x", ["x"]])
def test_a_box_holds_text(wrong):
    with pytest.raises(TypeError, match="what is sealed is text"):
        Sealed(wrong)


def test_a_box_has_a_largest_text_which_every_database_takes(db):
    for wrong in ("x" * 45_001, "é" * 22_501, "\ud800" + SECRET):
        with pytest.raises(ValueError) as caught:
            Sealed(wrong)
        assert caught.value.__cause__ is None
        assert SECRET not in str(caught.value)
    longest = "é" * 22_500
    key = db.run(lambda session: planted(session, account=Sealed(longest)).id)
    with db.read() as session:
        assert session.get(Credential, key).account.open() == longest


def test_ids_of_the_database_are_not_known_and_column_binding_is_said_aloud(db):
    with pytest.raises(ConfigurationError, match="not known before the row is inserted"):
        db.run(lambda session: session.add(Numbered(bound=Sealed(SECRET))))
    with db.transaction() as session:
        session.add_all([Numbered(loose=Sealed("a")), Numbered(id=77, bound=Sealed("b"), loose=Sealed("c"))])
    with db.transaction() as session:
        rows = {row.id: row for row in session.execute(select(Numbered)).scalars()}
        assert rows[77].bound.open() == "b"
        assert sorted(row.loose.open() for row in rows.values()) == ["a", "c"]


def test_what_a_value_is_bound_to_never_changes(lite):
    lite.run(lambda session: session.add(Token(name="n", value=Sealed("x"))))
    with pytest.raises(ConfigurationError, match=r"sealed_tokens\.value is bound to name, which never changes"):
        lite.run(lambda session: setattr(session.execute(select(Token)).scalar_one(), "name", "m"))
    with lite.read() as session:
        assert session.execute(select(Token)).scalar_one().value.open() == "x"


def test_without_a_ring_nothing_is_written_and_reading_names_the_key(sqlite_url):
    with sealed_database(sqlite_url, RING) as db:
        key = db.run(lambda session: planted(session).id)
    with sealed_database(sqlite_url, None) as bare:
        with pytest.raises(ConfigurationError, match=r"keyring=Keyring.from_env\(\)"):
            bare.run(planted)
        with bare.read() as session:
            row = session.get(Credential, key)
            with pytest.raises(
                KeyMissing, match=f"key {RING.primary.id} is not here: the Database was given no keyring"
            ):
                row.secret.open()
    other = ring_of_one()
    with sealed_database(sqlite_url, other) as stranger, stranger.read() as session:
        with pytest.raises(KeyMissing) as caught:
            session.get(Credential, key).secret.open()
        assert caught.value.details[0]["key_id"] == RING.primary.id
        assert f"there: {other.primary.id} primary" in str(caught.value)
    with sealed_database(sqlite_url, RING) as db, db.read() as session:
        assert session.get(Credential, key).secret.open() == SECRET


def test_boxes_read_apart_from_their_row_say_so(lite):
    key = lite.run(lambda session: planted(session).id)
    with lite.read() as session:
        box = session.execute(select(Credential.secret)).scalar_one()
        with pytest.raises(ConfigurationError, match="read apart from its row"):
            box.open()
        row = session.execute(select(Credential).options(defer(Credential.secret))).scalar_one()
        assert row.secret.open() == SECRET
    with lite.read() as session:
        row = session.execute(select(Credential).options(load_only(Credential.secret))).scalar_one()
        assert (row.id, row.secret.open()) == (key, SECRET)
        row = session.execute(select(Token)).scalar_one_or_none()
        assert row is None


def test_refreshed_expired_and_merged_rows_open(lite):
    key = lite.run(lambda session: planted(session).id)
    with lite.transaction() as session:
        row = session.get(Credential, key)
        session.expire(row)
        assert row.secret.open() == SECRET
        session.refresh(row)
        assert row.secret.open() == SECRET
        before = tokens(session, Credential.secret)
    with lite.transaction() as session:
        merged = session.merge(row)
        session.flush()
        assert merged.secret.open() == SECRET
        assert tokens(session, Credential.secret) == before
        fresh = session.merge(Credential(id=key, name="m", secret=Sealed("new"), version=merged.version))
        session.flush()
        assert fresh.secret.open() == "new"


def test_changes_of_a_versioned_row_are_counted_and_patches_seal(db):
    key = db.run(lambda session: planted(session).id)
    with db.transaction() as session:
        row = Credentials(session).patch(key, secret=Sealed("patched"))
        assert row.version == 2
    with db.read() as session:
        assert session.get(Credential, key).secret.open() == "patched"


def test_tokens_of_the_primary_key_are_told_by_their_first_characters(lite):
    lite.run(planted)
    with lite.read() as session:
        head = session.execute(
            select(func.substr(type_coerce(Credential.__table__.c.secret, String), 1, 12)).where(
                Credential.__table__.c.deleted_at.is_(None)
            )
        ).scalar_one()
        (token,) = tokens(session, Credential.secret)
    assert token.startswith(head)
    assert key_id_of(token) == RING.primary.id


def test_pages_go_on_while_keys_are_rotated(sqlite_url):
    class Pages(Repository[Token]): ...

    def cursor_of(ring, after=None):
        with sealed_database(sqlite_url, ring) as db, db.read() as session:
            return Pages(session).page(order_by=Token.name.asc(), limit=2, after=after)

    with sealed_database(sqlite_url, RING) as db:
        db.run(lambda session: session.add_all([Token(name=f"n{n}") for n in range(6)]))
    first = cursor_of(RING)
    turned = Keyring([Key.generate("primary"), RING.primary.moved_to("retired")])
    second = cursor_of(turned, first.next)
    assert [row.name for row in second.items] == ["n2", "n3"]
    from tradecore.errors import InvalidCursor

    with pytest.raises(InvalidCursor):
        cursor_of(RING, second.next)
    assert [row.name for row in cursor_of(turned, second.next).items] == ["n4", "n5"]
