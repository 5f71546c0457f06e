"""tc_jobs, tc_schedules, tc_reviews: work to be done later, work that comes again, and what people decided about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, EnumString, ExactString, Json, Timestamped, TimeZone, Words
from .columns import JsonObject, Key100, Name, Uid, link, to_many, to_one
from .enums import JobState, Misfire

__all__ = ["Job", "Review", "Schedule"]


class Job(Timestamped, Base):
    """One piece of work to be done later, exactly if the transaction that wrote it was committed.

    Attributes:
        key: jobs of one key run one after the other.
        dedup: unique while the job is open; set to None when it is over.
        token: the fencing token of the present lease; only its holder may finish the job.
    """

    __tablename__ = "tc_jobs"
    __table_args__ = (
        Index(None, "state", "queue", "run_at", "priority"),
        Index(None, "state", "run_at"),
        Index(None, "state", "lease_until"),
        Index(None, "key"),
    )

    uid: Mapped[Uid] = mapped_column(unique=True)
    task: Mapped[Name]
    args: Mapped[JsonObject] = mapped_column(default=dict)
    key: Mapped[str | None] = mapped_column(ExactString(200))
    priority: Mapped[int] = mapped_column(default=0)
    queue: Mapped[Name] = mapped_column(default="default")
    state: Mapped[JobState] = mapped_column(EnumString(JobState), default=JobState.READY)
    run_at: Mapped[datetime]
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=8)
    dedup: Mapped[str | None] = mapped_column(ExactString(200), unique=True)
    owner: Mapped[str | None] = mapped_column(String(100))
    token: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    rung_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Words)
    error_history: Mapped[list[Any]] = mapped_column(Json, default=list)
    trace: Mapped[str] = mapped_column(String(200), default="")

    reviews: Mapped[list[Review]] = to_many("jobs.Review", order_by="id")


class Schedule(Timestamped, Base):
    """Work that comes again: at every tick ``next_at`` moves and the job appears, in one transaction.

    Attributes:
        spec: when: a cron line, an interval, or the name of a rule of the host's.
        tz: the zone ``spec`` is meant in.
        next_at: the next tick; None when there is none.
        misfire: what becomes of ticks that nobody was there for.
    """

    __tablename__ = "tc_schedules"
    __table_args__ = (Index(None, "next_at"),)

    name: Mapped[Key100] = mapped_column(unique=True)
    spec: Mapped[str] = mapped_column(String(200))
    tz: Mapped[str] = mapped_column(TimeZone, default="UTC")
    next_at: Mapped[datetime | None]
    task: Mapped[Name]
    args: Mapped[JsonObject] = mapped_column(default=dict)
    misfire: Mapped[Misfire] = mapped_column(EnumString(Misfire), default=Misfire.ONCE)


class Review(Base):
    """What a person decided about a job or an order; rows are only added."""

    __tablename__ = "tc_reviews"

    job_id: Mapped[int | None] = link("tc_jobs", "CASCADE")
    order_id: Mapped[int | None] = link("tc_orders", "RESTRICT")
    at: Mapped[datetime]
    actor: Mapped[Name]
    decision: Mapped[str] = mapped_column(String(40))
    note: Mapped[str] = mapped_column(Words, default="")

    job: Mapped[Job | None] = to_one("jobs.Job")
