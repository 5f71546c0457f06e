"""Everything the broker may do to a call, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.flows.wire import Profile

__all__ = ["ORDER_ONLY", "faults_for", "may_lapse"]

Arm = Callable[[Any, Any], None]

ANY_CALL: dict[str, Arm] = {
    "none": lambda sim, on: None,
    "reply lost": lambda sim, on: sim.loses_reply(on=on),
    "request lost": lambda sim, on: sim.loses_request(on=on),
    "refused connection": lambda sim, on: sim.refuses_connection(2, on=on),
    "500 before": lambda sim, on: sim.fails(500, "before", on=on),
    "500 after": lambda sim, on: sim.fails(500, "after", on=on),
    "504 empty after": lambda sim, on: sim.fails(504, "after", body="empty", on=on),
    "HTML 502 before": lambda sim, on: sim.html_502(when="before", on=on),
    "HTML 502 after": lambda sim, on: sim.html_502(when="after", on=on),
    "429 with headers": lambda sim, on: sim.throttles(on=on),
    "429 without headers": lambda sim, on: sim.throttles(2, headers=False, on=on),
    "401": lambda sim, on: sim.refuses_credentials(on=on),
    "too slow": lambda sim, on: sim.slow(14.0, on=on),
    "truncated 200": lambda sim, on: sim.truncates(on=on),
    "reply lost, look-ups fail": lambda sim, on: (sim.loses_reply(on=on), sim.fails(503, times=3, on="read")),
    "reply lost, look-ups lost": lambda sim, on: (sim.loses_reply(on=on), sim.loses_reply(3, on="read")),
    "look-ups throttled and truncated": lambda sim, on: (sim.throttles(on="read"), sim.truncates(on="read")),
}


def _second_refused(sim: Any, on: Any) -> None:
    # Longer hidden than the adapter believes possible: the second attempt goes out while the first is live.
    sim.loses_reply(on=on)
    sim.lags_lookups(80.0)
    sim.refuses_second_attempt()


def _second_duplicate(sim: Any, on: Any) -> None:
    sim.loses_reply(on=on)
    sim.lags_lookups(80.0)


ORDER_ONLY: dict[str, Arm] = {
    "late acceptance": lambda sim, on: sim.accepts_late(8.0),
    "duplicate id": lambda sim, on: sim.duplicate_id(),
    "unknown status": lambda sim, on: sim.unknown_status(looks=2),
    "rejected later": lambda sim, on: sim.rejects_later(),
    "look-ups lag": lambda sim, on: sim.lags_lookups(12.0),
    "reply lost, look-ups lag": lambda sim, on: (sim.loses_reply(on=on), sim.lags_lookups(12.0)),
    "second attempt refused": _second_refused,
    "second attempt a duplicate": _second_duplicate,
}


TRADOVATE: dict[str, Arm] = {
    "penalty": lambda sim, on: sim.penalizes(9.0, on=on),
    "penalty for the look-ups": lambda sim, on: (sim.loses_reply(on=on), sim.penalizes(9.0, 3, on="read")),
    "locked out": lambda sim, on: sim.locks_out(on=on),
    "evicted": lambda sim, on: sim.evicts(on=on),
    "no session at first": lambda sim, on: (sim.fails(503, times=2, on="session"), sim.penalizes(9.0, on="session")),
    "token lost": lambda sim, on: sim.loses_reply(2, on="session"),
    "change refused": lambda sim, on: sim.refuses_changes(),
}


def faults_for(call: str, profile: Profile = "unique") -> dict[str, Arm]:
    """Return the faults that can strike a call at a kind of broker."""
    faults = {**ANY_CALL, **ORDER_ONLY} if call == "order" else ANY_CALL
    if profile == "tradovate":
        faults = {name: arm for name, arm in faults.items() if name != "duplicate id"} | TRADOVATE
    return faults


def may_lapse(profile: Profile, fault: str) -> bool:
    """Return whether a fault keeps everything from the broker for longer than a wish is good for."""
    return profile == "tradovate" and ("429" in fault or "throttled" in fault or fault == "locked out")
