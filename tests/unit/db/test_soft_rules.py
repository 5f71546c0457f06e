"""What is refused: at configuration, in upserts and updates by key, and at the last look before the cursor."""

import logging
import pickle

import pytest
from sqlalchemy import (
    ForeignKey,
    Index,
    UniqueConstraint,
    delete,
    insert,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from tests.soft_models import DEAD, LIVE, TABLES, RoadBook, RoadLoan, RoadShelf, RoadTag, fill

from tradecore.db import Base, Database, SoftDeleted
from tradecore.db.base import Root
from tradecore.db.soft_delete import WITH_DELETED, live_unique, only_deleted, with_deleted
from tradecore.errors import ConfigurationError
from tradecore.models import BrokerConnection, Strategy


def configured(build):
    """Configure the models that ``build`` makes on a base of their own."""

    class Own(DeclarativeBase):
        __table_cls__ = classmethod(Root.__table_cls__.__func__)

    try:
        made = build(Own)
        Own.registry.configure()
        return made
    finally:
        Own.registry.dispose()


def _parent_and_child(own, *, soft_parent=True, soft_child=True, **options):
    class Parent(*((SoftDeleted,) if soft_parent else ()), own):
        __tablename__ = "parents"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Child(*((SoftDeleted,) if soft_child else ()), own):
        __tablename__ = "children"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("parents.id"))

    Parent.children = relationship(Child, **options)


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("delete-orphan", {"cascade": "all, delete-orphan"}),
        ("delete-orphan", {"cascade": "all, delete-orphan", "soft_parent": False}),
        ("could not bring back", {"cascade": "all, delete", "soft_child": False}),
        ("soft_cascade goes from", {"info": {"soft_cascade": True}, "soft_child": False}),
        ("soft_cascade goes from", {"info": {"soft_cascade": True}, "soft_parent": False}),
    ],
)
def test_a_relationship_that_would_destroy_is_refused_at_configuration(said, options):
    with pytest.raises(ConfigurationError, match=said):
        configured(lambda own: _parent_and_child(own, **options))


def test_a_delete_cascade_between_deletable_models_is_a_bond():
    configured(lambda own: _parent_and_child(own, cascade="all, delete"))


@pytest.mark.parametrize("rule", [UniqueConstraint("name"), Index("ix_names", "name", unique=True)])
def test_a_unique_that_counts_deleted_rows_is_refused_at_configuration(rule):
    def build(own):
        class Named(SoftDeleted, own):
            __tablename__ = "named"
            __table_args__ = (rule,)
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

    with pytest.raises(ConfigurationError, match=r"unique over \(name\) counts deleted rows"):
        configured(build)


def test_a_key_may_be_meant_for_ever():
    def build(own):
        class Named(SoftDeleted, own):
            __tablename__ = "named"
            __table_args__ = (UniqueConstraint("name", info={"with_deleted": True}),)
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            code: Mapped[str]
            live: Mapped[int | None] = live_unique("name", "code")

        return Named.__table__

    table = configured(build)
    uniques = {tuple(rule.columns.keys()) for rule in table.constraints if isinstance(rule, UniqueConstraint)}
    assert uniques == {("name",), ("name", "code", "live")}


def test_the_platforms_uniques_keep_their_names():
    names = [
        rule.name
        for model in (Strategy, BrokerConnection)
        for rule in model.__table__.constraints
        if isinstance(rule, UniqueConstraint)
    ]
    assert names == ["uq_strategies_symbol_live", "uq_broker_connections_name_house"]
    assert str(BrokerConnection.__table__.c.house.computed.sqltext) == (
        "CASE WHEN user_id IS NULL AND deleted_at IS NULL THEN 1 END"
    )


@pytest.fixture
def db():
    with Database("sqlite://") as database:
        Base.metadata.create_all(database.engine, tables=TABLES)
        database.run(fill)
        yield database


@pytest.fixture
def session(db):
    with db.transaction() as session:
        yield session


@pytest.fixture
def anywhere(shared_database_url):
    with Database(shared_database_url) as database:
        Base.metadata.create_all(database.engine, tables=TABLES)
        database.run(fill)
        with database.transaction() as session:
            yield session


def _upsert(session, target, key, **row):
    name = session.get_bind().dialect.name
    if name == "mysql":
        return mysql.insert(target).values(**row).on_duplicate_key_update(**{k: v for k, v in row.items() if k != "id"})
    made = {"sqlite": sqlite, "postgresql": postgresql}[name].insert(target).values(**row)
    return made.on_conflict_do_update(index_elements=key, set_={k: v for k, v in row.items() if k != "id"})


@pytest.mark.parametrize("target", [RoadShelf, RoadShelf.__table__], ids=["model", "table"])
def test_an_upsert_does_not_write_into_a_deleted_row(anywhere, target):
    by_key = _upsert(anywhere, target, ["id"], id=DEAD, name="told")
    with pytest.raises(ConfigurationError, match="upsert"):
        anywhere.execute(by_key)
    anywhere.execute(with_deleted(by_key))
    assert anywhere.scalars(only_deleted(select(RoadShelf.name))).all() == ["told"]


def test_an_upsert_on_a_live_key_finds_no_deleted_row(anywhere):
    for _ in range(2):
        anywhere.execute(_upsert(anywhere, RoadShelf, ["name", "live"], name="dead"))
    assert sorted(anywhere.scalars(select(RoadShelf.name))) == ["dead", "live"], "one new row beside the deleted one"


def test_updates_by_primary_key_are_refused(session):
    rows = [{"id": DEAD, "title": "x"}]
    with pytest.raises(ConfigurationError):
        session.execute(update(RoadBook), rows)
    with pytest.raises(ConfigurationError):
        session.bulk_update_mappings(RoadBook, rows)
    with pytest.raises(ConfigurationError):
        session.bulk_save_objects([session.get_one(RoadBook, LIVE)])
    session.bulk_save_objects([RoadTag(id=60, word="new")])
    session.execute(insert(RoadBook), [{"id": n, "title": "b", "shelf_id": LIVE} for n in (61, 62)])
    session.execute(update(RoadBook), rows, execution_options={WITH_DELETED: True})
    assert session.scalars(only_deleted(select(RoadBook.title))).all() == ["x"]


def test_only_deleted_needs_something_deletable(session):
    with pytest.raises(ConfigurationError, match="SoftDeleted"):
        session.execute(only_deleted(select(RoadLoan)))
    with pytest.raises(ConfigurationError, match="purge"):
        session.execute(only_deleted(delete(RoadBook)))


TABLE = RoadBook.__table__
ALLOWED = [
    select(TABLE.c.title).where(TABLE.c.deleted_at.is_(None)),
    select(RoadLoan.__table__.c.reader).join(TABLE, (TABLE.c.id == RoadLoan.book_id) & TABLE.c.deleted_at.is_(None)),
    select(TABLE).execution_options(**{WITH_DELETED: True}),
    update(TABLE).values(title="x").where(TABLE.c.deleted_at.is_(None)),
    TABLE.insert().values(id=70, title="x", shelf_id=LIVE),
    text("SELECT title FROM road_books WHERE deleted_at IS NULL"),
    text("INSERT INTO road_tags (id, word) VALUES (71, 'x')"),
    text("SELECT 'road_books'"),
]
REFUSED = [
    select(TABLE),
    union_all(select(TABLE.c.id).where(TABLE.c.deleted_at.is_(None)), select(TABLE.c.id)),
    select(RoadLoan.__table__).where(RoadLoan.__table__.c.book_id.in_(select(TABLE.c.id))),
    RoadLoan.__table__.insert().from_select(["id", "book_id", "reader"], select(TABLE.c.id, TABLE.c.id, TABLE.c.title)),
    text("SELECT l.reader FROM road_loans l, road_books b WHERE b.id = l.book_id"),
    text("UPDATE road_books SET title = 'x'"),
    text("DELETE FROM road_books"),
    text("INSERT INTO road_loans (id, book_id, reader) SELECT id, id, title FROM road_books"),
]


@pytest.mark.parametrize("statement", ALLOWED, ids=range(len(ALLOWED)))
def test_what_minds_the_deleted_rows_passes(session, statement):
    session.execute(statement)
    session.rollback()
    session.connection().execute(statement)


@pytest.mark.parametrize("statement", REFUSED, ids=range(len(REFUSED)))
def test_what_does_not_is_refused(session, statement):
    with pytest.raises(ConfigurationError, match="without regard to its deleted rows"):
        session.execute(statement)
    with pytest.raises(ConfigurationError, match="without regard to its deleted rows"):
        session.connection().execute(statement)


def test_the_models_way_in_is_not_hindered(session):
    book = session.get_one(RoadBook, LIVE)
    session.expire(book)
    assert book.title == "live"  # a column load
    book.title = "changed"
    session.flush()
    session.refresh(book)
    session.delete(session.get_one(RoadLoan, LIVE))
    session.flush()
    assert session.scalars(select(RoadBook.title).where(RoadBook.title.in_(select(RoadBook.title)))).all() == [
        "changed"
    ]


def test_production_is_told_once_and_refuses_tables_only(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("TRADECORE_STRICT")
    with Database(f"sqlite:///{tmp_path}/shop.db") as db, caplog.at_level(logging.WARNING, "tradecore.db"):
        Base.metadata.create_all(db.engine, tables=TABLES)
        db.run(fill)
        with db.transaction() as session:
            for _ in range(3):
                assert len(session.execute(text("SELECT title FROM road_books")).all()) == 2
            assert len(session.connection().execute(select(RoadBook)).all()) == 2
            with pytest.raises(ConfigurationError):
                session.execute(select(TABLE))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "road_books" in told[0]


def test_rows_and_their_options_can_be_pickled(session):
    book = session.scalars(select(RoadBook)).one()
    assert pickle.loads(pickle.dumps(book)).title == "live"
