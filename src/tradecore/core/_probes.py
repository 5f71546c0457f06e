"""What a core reports of its health: database, brokers, worker, partitions, and what waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ..db import now
from ..db.partitions import ENOUGH_AHEAD
from ..flow import Flow, Work
from ..health import Finding, Probe
from ..models import OrderRecord
from ..models.enums import ConnectionStatus
from ..orders.agenda import lag
from ..orders.connections import connection_of
from ..trading import Submission
from ._plan import Runtime

__all__ = ["probes"]

WORKER_LAG = 30.0


def probes(runtime: Runtime[Any], worker: Callable[[], Any]) -> list[Probe]:
    """Return the core's probes: each check a generator function, which an event loop runs without a thread."""
    found = [
        Probe("database", _database),
        Probe("orders", _orders, critical=False, ttl=5.0),
        Probe("worker", partial(_worker, worker, tuple(runtime.clients)), critical=False),
        Probe("partitions", partial(_partitions, runtime.db), critical=False, ttl=60.0),
    ]
    for name, client in runtime.clients.items():
        found.append(Probe(f"broker:{name}", partial(_broker, client, name), critical=False))
    return found


def _database() -> Flow[Finding]:
    yield from Work(_select_one)
    return Finding("healthy")


def _select_one(session: Session) -> int:
    return int(session.execute(text("select 1")).scalar_one())


def _orders() -> Flow[Finding]:
    waiting, oldest, at = yield from Work(_review_count)
    if not waiting:
        return Finding("healthy", data={"in_review": 0})
    age = round((at - oldest).total_seconds()) if oldest else 0
    return Finding("degraded", f"{waiting} orders wait for a person", {"in_review": waiting, "oldest_seconds": age})


def _review_count(session: Session) -> tuple[int, datetime | None, datetime]:
    count, oldest = session.execute(
        select(func.count(), func.min(OrderRecord.created_at)).where(OrderRecord.submission == Submission.REVIEW)
    ).one()
    return int(count), oldest, now(session)


def _worker(embedded: Callable[[], Any], accounts: tuple[str, ...]) -> Flow[Finding]:
    worker = embedded()
    if worker is not None and not worker.alive:
        return Finding("unhealthy", "the worker stopped")
    seconds = yield from Work(lag, accounts)
    running = {} if worker is None else {"running": worker.roster.running}
    seen = {"embedded": worker is not None, "lag_seconds": round(seconds, 3), **running}
    if seconds < WORKER_LAG:
        return Finding("healthy", data=seen)
    return Finding("degraded", f"due work has waited for {seconds:.0f} s: does a worker run?", seen)


def _partitions(db: Any) -> Flow[Finding]:
    ahead = yield from Work(db.count_partitions)
    if ahead is None:
        return Finding("healthy", "this database has no partitions")
    return Finding("healthy" if ahead >= ENOUGH_AHEAD else "degraded", data={"ahead": ahead})


def _broker(client: Any, account: str) -> Flow[Finding]:
    snapshot = client.breaker.snapshot()
    state = snapshot.override.value if snapshot.override is not None else snapshot.state
    if state in ("open", "isolated"):
        return Finding("degraded", f"the breaker is {state}", {"breaker": state})
    stopped = yield from Work(_stopped, account)
    if stopped:
        return Finding("degraded", "the broker refuses the credentials", {"breaker": state})
    return Finding("healthy", data={"breaker": state})


def _stopped(session: Session, account: str) -> bool:
    connection = connection_of(session, account)
    return connection is not None and connection.status is ConnectionStatus.ERROR
