"""What a core reports of its health: database, brokers, worker, partitions, and what waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..db import now
from ..db.partitions import ENOUGH_AHEAD
from ..flow import Flow, Work
from ..health import Finding, Probe
from ..models import Job, OrderRecord
from ..models.enums import ConnectionStatus, JobState
from ..orders.agenda import lag
from ..orders.connections import connection_of
from ..trading import Submission
from ._plan import Runtime

__all__ = ["probes"]

WORKER_LAG = 30.0
PATIENCE = 5.0  # beyond the probe's own time-out, which is the one that is told
CROWDED = 0.5  # seconds somebody has waited for a connection by now, from which on a pool is too small


def probes(runtime: Runtime[Any], worker: Callable[[], Any]) -> list[Probe]:
    """Return the core's probes: each check a generator function, which an event loop runs without a thread."""
    found = [
        Probe("database", partial(_awaited if iscoroutinefunction(runtime.db.ping) else _database, runtime.db)),
        Probe("orders", _orders, critical=False, ttl=5.0),
        Probe("worker", partial(_worker, worker, tuple(runtime.clients)), critical=False),
        Probe("partitions", partial(_partitions, runtime.db), critical=False, ttl=60.0),
    ]
    for name, client in runtime.clients.items():
        found.append(Probe(f"broker:{name}", partial(_broker, client, name), critical=False))
    return found


def _database(db: Any) -> Finding:
    db.ping(PATIENCE)
    return _pool(db)


async def _awaited(db: Any) -> Finding:
    await db.ping(PATIENCE)
    return _pool(db)


def _pool(db: Any) -> Finding:
    # A full pool is not a database that is down: the one is told beside the other.
    stats = db.pool_stats()
    seen = {name: stats[name] for name in ("in_use", "most", "waiting", "timeouts")}
    if stats["longest_wait"] > CROWDED:  # for a moment somebody waits in any pool, and always in one of one
        words = f"{stats['waiting']} wait for one of {stats['most']} connections, {stats['longest_wait']:.1f} s by now"
        return Finding("degraded", words, seen)
    return Finding("healthy", data=seen)


def _orders() -> Flow[Finding]:
    waiting, oldest, dead, at = yield from Work(_left_to_people)
    seen = {"in_review": waiting, "dead_letters": dead}
    if not waiting and not dead:
        return Finding("healthy", data=seen)
    if oldest is not None:
        seen["oldest_seconds"] = round((at - oldest).total_seconds())
    return Finding("degraded", f"{waiting} orders and {dead} dead letters wait for a person", seen)


def _left_to_people(session: Session) -> tuple[int, datetime | None, int, datetime]:
    count, oldest = session.execute(
        select(func.count(), func.min(OrderRecord.created_at)).where(OrderRecord.submission == Submission.REVIEW)
    ).one()
    dead = session.execute(select(func.count()).select_from(Job).where(Job.state == JobState.DEAD)).scalar_one()
    return int(count), oldest, int(dead), now(session)


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
