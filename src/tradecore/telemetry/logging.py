"""Events as structlog lines, with the request id and whatever else is bound where they happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..hooks import Happening, Hooks
from .readings import attend, facts_of, title_of

__all__ = ["LEVELS", "log"]

LEVELS: Mapping[str, str] = {
    "breaker_admitted": "debug",
    "breaker_failed": "warning",
    "breaker_ignored": "debug",
    "breaker_moved": "warning",
    "breaker_overridden": "warning",
    "breaker_refused": "debug",
    "breaker_slow": "warning",
    "breaker_succeeded": "debug",
    "budget_exhausted": "warning",
    "bulkhead_refused": "warning",
    "deadline_missed": "warning",
    "fell_back": "warning",
    "limiter_blocked": "warning",
    "quota_decided": "debug",
    "retry_ended": "warning",
    "turn_passed": "debug",
    "turn_refused": "warning",
}
"""How loud an event is said; ``info`` where its title is not named."""


def log(
    hooks: Hooks,
    *,
    logger: Any = None,
    levels: Mapping[str, str] = LEVELS,
    kinds: Iterable[type[Happening]] | None = None,
) -> Callable[[], None]:
    """Write a line for every event of the parts of :mod:`tradecore.resilience` that hold ``hooks``.

    Args:
        hooks: what breakers, retries and limiters were given.
        logger: a structlog logger; ``structlog.get_logger("tradecore.resilience")`` when left out.
        levels: how loud an event is said, by its title; ``info`` for the others.
        kinds: what to write; every kind of event but those of ordinary calls when left out.

    Returns:
        A function that ends it.
    """
    import structlog

    out = logger if logger is not None else structlog.get_logger("tradecore.resilience")

    def write(happening: Happening) -> None:
        title = title_of(type(happening))
        getattr(out, levels.get(title, "info"))(title, **facts_of(happening))

    return attend(hooks, write, kinds)
