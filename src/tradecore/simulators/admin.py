"""The simulator's own door, ``/_sim/``: its true books, its market and its faults. No broker has one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .faults import FAULTS, PLANS

if TYPE_CHECKING:
    from .simulator import Simulator

__all__ = ["PREFIX", "administer"]

PREFIX = "/_sim/"


def _index(simulator: Simulator, _body: dict[str, Any]) -> dict[str, Any]:
    return {
        "simulator": simulator.name,
        "day": simulator.day.isoformat(),
        "doors": [f"{method} {PREFIX}{name}" for method, name in _DOORS],
        "faults": sorted(FAULTS),
        "plans": list(PLANS),
    }


def _books(simulator: Simulator, _body: dict[str, Any]) -> dict[str, Any]:
    return simulator.books()


def _advance(simulator: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    day = simulator.set_day(str(body["to"])) if "to" in body else simulator.advance_days(int(body.get("days", 1)))
    return {"day": day.isoformat()}


def _close(simulator: Simulator, _body: dict[str, Any]) -> dict[str, Any]:
    simulator.close_market()
    return {"day": simulator.day.isoformat(), "is_open": False}


def _faults(simulator: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    if "plan" in body:
        simulator.misbehaves(str(body["plan"]), **body.get("rates", {}))
    if "name" in body:
        details = {name: value for name, value in body.items() if name not in ("plan", "rates", "name")}
        simulator.faults.arm(str(body["name"]), **details)
    return {
        "plan": simulator.faults.plan.name,
        "armed": dict(simulator.faults.armed),
        "fired": dict(simulator.faults.fired),
    }


def _reset(simulator: Simulator, _body: dict[str, Any]) -> dict[str, Any]:
    simulator.reset()
    return {"day": simulator.day.isoformat()}


_DOORS: dict[tuple[str, str], Callable[[Simulator, dict[str, Any]], dict[str, Any]]] = {
    ("GET", ""): _index,
    ("GET", "books"): _books,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _faults,
    ("POST", "advance"): _advance,
    ("POST", "close"): _close,
    ("POST", "reset"): _reset,
}


def administer(simulator: Simulator, method: str, path: str, content: bytes) -> tuple[int, dict[str, Any]]:
    """Do what a request under :data:`PREFIX` asks; no credentials, no limit, no faults.

    Args:
        simulator: whose door it is.
        method: the HTTP method.
        path: with the prefix, without a query.
        content: a JSON object, or nothing.

    Returns:
        The status and the JSON answer: 404 where there is no such door, 422 for a body that makes no sense.
    """
    door = _DOORS.get((method, path.removeprefix(PREFIX)))
    if door is None:
        return 404, {"message": f"no door {method} {path}; GET {PREFIX} lists them"}
    try:
        body = json.loads(content or b"{}")
        if not isinstance(body, dict):
            return 422, {"message": "the body must be a JSON object"}
        return 200, door(simulator, body)
    except ConfigurationError as error:
        return 422, {"message": error.message}
    except (TypeError, ValueError) as error:
        return 422, {"message": str(error)}
