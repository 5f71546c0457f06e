"""Twenty roads by which an audited row is written: each a function, and what the log must tell of it.

What goes past SQLAlchemy (another program, a driver's own cursor) is no road of a session: only triggers see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session
from tests.audit_models import AuditedDesk, AuditedFloor, AuditedLabel, AuditedTicket

DESK, OTHER, FLOOR, LABEL, TICKET = 11, 12, 21, 31, 41


@dataclass(frozen=True)
class Road:
    """A road: ``walk(session)`` writes; ``told`` are the (action, resource id, key -> value) the log must hold."""

    name: str
    walk: Callable[[Session], object]
    told: tuple[tuple[str, int | None, dict[str, Any] | None], ...]
    refused: bool = False  # by the ORM engine's guard
    by_database: bool = False  # the database's own doing, which MariaDB's triggers do not see


ROADS: list[Road] = []


def road(*told: Any, refused: bool = False, by_database: bool = False) -> Callable[[Any], Any]:
    def keep(walk: Callable[[Session], object]) -> Callable[[Session], object]:
        ROADS.append(Road(walk.__name__.removeprefix("by_"), walk, told, refused, by_database))
        return walk

    return keep


def fill(session: Session) -> None:
    session.add_all([AuditedFloor(id=FLOOR, name="second"), AuditedLabel(id=LABEL, word="quiet")])
    session.flush()
    session.add_all(
        [
            AuditedDesk(id=DESK, name="one", seats=2, floor_id=FLOOR, tickets=[AuditedTicket(id=TICKET, word="t")]),
            AuditedDesk(id=OTHER, name="two", seats=3),
        ]
    )


@road(("desk.created", None, {"name": "new"}))
def by_add(session: Session) -> None:
    session.add(AuditedDesk(name="new"))


@road(("desk.created", None, {"name": "n0"}), ("desk.created", None, {"name": "n1"}))
def by_add_all(session: Session) -> None:
    session.add_all(AuditedDesk(name=f"n{number}") for number in range(2))


@road(("desk.updated", DESK, {"seats": 9}))
def by_change(session: Session) -> None:
    session.get_one(AuditedDesk, DESK).seats = 9


@road(("desk.updated", DESK, {"seats": 3}))
def by_sql_expression(session: Session) -> None:
    session.get_one(AuditedDesk, DESK).seats = AuditedDesk.seats + 1


@road(("desk.updated", OTHER, {"name": "merged"}))
def by_merge(session: Session) -> None:
    session.merge(AuditedDesk(id=OTHER, name="merged", seats=3))


@road(("desk.deleted", OTHER, {"name": "two"}))
def by_delete(session: Session) -> None:
    session.delete(session.get_one(AuditedDesk, OTHER))


@road(("ticket.created", None, {"word": "via"}))
def by_relationship(session: Session) -> None:
    desk = session.get_one(AuditedDesk, DESK)
    desk.tickets.append(AuditedTicket(word="via"))


@road(("desk.deleted", DESK, {"name": "one"}), ("ticket.deleted", TICKET, {"word": "t"}))
def by_delete_cascade(session: Session) -> None:
    session.delete(session.get_one(AuditedDesk, DESK))


@road(("label", DESK, None))
def by_link_table(session: Session) -> None:
    desk = session.get_one(AuditedDesk, DESK)  # held: the session holds rows weakly
    desk.labels.append(session.get_one(AuditedLabel, LABEL))


@road(("desk.updated", DESK, {"seats": 4}), ("desk.updated", OTHER, {"seats": 6}))
def by_update(session: Session) -> None:
    session.execute(update(AuditedDesk).values(seats=AuditedDesk.seats * 2))


@road(("ticket.deleted", TICKET, {"word": "t"}))
def by_delete_where(session: Session) -> None:
    session.execute(delete(AuditedTicket).where(AuditedTicket.word == "t"))


@road(("desk.created", None, {"name": "b0"}), ("desk.created", None, {"name": "b1"}))
def by_bulk_insert(session: Session) -> None:
    session.execute(insert(AuditedDesk), [{"name": f"b{number}"} for number in range(2)])


@road(("desk.updated", DESK, {"seats": 7}), ("desk.updated", OTHER, {"seats": 8}))
def by_bulk_update_by_keys(session: Session) -> None:
    session.execute(update(AuditedDesk), [{"id": DESK, "seats": 7}, {"id": OTHER, "seats": 8}])


@road(("desk.created", DESK + 1000, {"name": "onecopy"}), ("desk.created", OTHER + 1000, {"name": "twocopy"}))
def by_insert_from_select(session: Session) -> None:
    columns = AuditedDesk.__table__.c
    source = select(
        AuditedDesk.id + 1000,
        AuditedDesk.name.concat("copy"),
        AuditedDesk.seats,
        AuditedDesk.open,
        AuditedDesk.created_at,
        AuditedDesk.updated_at,
    )
    names = [columns.id, columns.name, columns.seats, columns.open, columns.created_at, columns.updated_at]
    session.execute(insert(AuditedDesk).from_select(names, source))


@road(("desk.updated", DESK, {"seats": 5}), ("desk.created", None, {"name": "three"}))
def by_upsert(session: Session) -> None:
    name = session.get_bind().dialect.name
    rows = [{"name": "one", "seats": 5, "open": True}, {"name": "three", "seats": 6, "open": True}]
    if name == "mysql":
        statement: Any = mysql.insert(AuditedDesk)
        statement = statement.on_duplicate_key_update({"seats": statement.inserted.seats})
    else:
        statement = (postgresql if name == "postgresql" else sqlite).insert(AuditedDesk)
        statement = statement.on_conflict_do_update(index_elements=["name"], set_={"seats": statement.excluded.seats})
    session.execute(statement, rows)


@road(("desk.updated", DESK, {"seats": 44}), ("desk.updated", OTHER, {"seats": 44}))
def by_core_through_the_session(session: Session) -> None:
    session.execute(sa.update(AuditedDesk.__table__).values(seats=44))


@road(("desk.created", None, {"name": "legacy"}), refused=True)
def by_legacy_bulk_methods(session: Session) -> None:
    session.bulk_save_objects([AuditedDesk(name="legacy", id=5_000)])


@road(("desk.updated", DESK, {"seats": 10}), ("desk.updated", OTHER, {"seats": 10}), refused=True)
def by_text_through_the_session(session: Session) -> None:
    session.execute(text("UPDATE audited_desks SET seats = 10"))


@road(("ticket.deleted", TICKET, {"word": "t"}), refused=True)
def by_core_on_the_connection(session: Session) -> None:
    session.connection().execute(sa.delete(AuditedTicket.__table__))


@road(("desk.deleted", DESK, {"name": "one"}), refused=True, by_database=True)
def by_on_delete_cascade(session: Session) -> None:
    session.execute(delete(AuditedFloor).where(AuditedFloor.id == FLOOR))
