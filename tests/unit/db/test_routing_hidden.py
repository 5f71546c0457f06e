"""Rows that were deleted softly stay hidden at a replica, and hiding them does not keep a query from it."""

import pytest
from sqlalchemy import ForeignKey, event, select
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship, selectinload
from tests.unit.db.colours import opened

from tradecore.db import Base, Database, SoftDeleted


class Folder(SoftDeleted, Base):
    __tablename__ = "test_folders"

    name: Mapped[str]
    sheets: Mapped[list["Sheet"]] = relationship(order_by="Sheet.id")


class Sheet(SoftDeleted, Base):
    __tablename__ = "test_sheets"

    name: Mapped[str]
    folder_id: Mapped[int] = mapped_column(ForeignKey("test_folders.id", ondelete="CASCADE"), index=True)


TABLES = [Folder.__table__, Sheet.__table__]


@pytest.fixture(params=["threads", "tasks"])
def desk(request, tmp_path):
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("primary", "replica")]
    for url in urls:
        with Database(url) as db:
            Base.metadata.create_all(db.engine, tables=TABLES)
            db.run(lambda s, url=url: s.add(Folder(id=1, name=url[-10:-3])))
            db.run(lambda s: s.add_all([Sheet(id=key, folder_id=1, name=str(key)) for key in (1, 2)]))
            db.run(lambda s: s.delete(s.get_one(Sheet, 2)))
    with opened(request.param, urls[0], replicas=urls[1:]) as found:
        yield found


def _seen(session):
    folder = session.scalars(select(Folder)).one()
    joined = session.scalars(select(Folder).options(joinedload(Folder.sheets))).unique().one()
    eager = session.scalars(select(Folder).options(selectinload(Folder.sheets))).one()
    names = session.scalars(select(Sheet.name).join(Folder, Folder.id == Sheet.folder_id)).all()
    return folder.name, [sheet.name for sheet in folder.sheets], len(joined.sheets), len(eager.sheets), names


def test_a_replica_hides_what_the_primary_hides(desk):
    sent = []
    event.listen(desk.db.replicas.members[0].engine, "before_cursor_execute", lambda *seen: sent.append(seen[2]))
    assert desk.run_read(_seen) == ("replica", ["1"], 1, 1, ["1"])
    assert len(sent) >= 4
    assert desk.run(_seen)[1:] == (["1"], 1, 1, ["1"])
