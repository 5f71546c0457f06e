"""What users write about the audit trail, as the type checkers see it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import assert_type

from sqlalchemy.orm import Mapped, Session, mapped_column

from tradecore import audit
from tradecore.audit import (
    Audited,
    AuditEntry,
    Erased,
    Fault,
    FaultKind,
    FileSink,
    HttpSink,
    Report,
    Retired,
    Sealing,
    Sink,
    read_notes,
)
from tradecore.db import AsyncDatabase, Base, Database, Page, SoftDeleted


class TypedDesk(Audited, SoftDeleted, Base):
    __tablename__ = "typed_audited_desks"
    __audit_personal__ = ("holder",)

    holder: Mapped[str] = mapped_column()


class Printer:
    def put(self, note: str) -> None:
        print(note)


def settings(folder: Path) -> Sealing:
    sinks: list[Sink] = [FileSink(folder / "notes"), HttpSink("https://witness.example/"), Printer()]
    return Sealing(origin="desk.example/audit", sinks=sinks)


def deeds(session: Session) -> None:
    audit.record(session, action="order.canceled", resource_type="order", resource_id=7, new={"n": 1})
    audit.record_now(session, action="order.place", resource_type="order", resource_id="7", outcome="denied")


def looks(db: Database, folder: Path, before: datetime) -> None:
    db.run(deeds)
    assert_type(audit.seal(db, settings(folder)), str | None)
    report = db.run(audit.verify, notes=read_notes("..."))
    assert_type(report, Report)
    assert_type(report.faults, list[Fault])
    assert_type(report.faults[0].kind, FaultKind)
    assert_type(db.run(audit.history, "order", 7, limit=5), Page[AuditEntry])
    assert_type(db.run(audit.retire, before=before), Retired)
    assert_type(db.run(audit.erase, actor_id="u-7"), Erased)
    audit.guard(db.engine, strict=False)
    with db.engine.begin() as connection:
        audit.install_triggers(connection, TypedDesk)
    assert_type(audit.use_triggers(db.engine), frozenset[str])


async def later(db: AsyncDatabase) -> None:
    assert_type(await audit.seal_async(db), str | None)
    assert_type(await db.run(audit.verify), Report)
