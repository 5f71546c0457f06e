"""What can be read off any happening without knowing its kind: its name, and the fields that have few values.

So a part that gets a new kind of event is logged and counted without an edit here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import reduce
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .. import resilience
from ..hooks import Happening, Hooks
from ..redact import redact
from ..resilience import BreakerAdmitted, BreakerRefused, BreakerSucceeded, QuotaDecided, Totals, TurnPassed

__all__ = ["EVERY_CALL", "OUTCOMES", "attend", "event_kinds", "facts_of", "label_names", "labels_of", "title_of"]

EVERY_CALL: tuple[type[Happening], ...] = (
    *(BreakerAdmitted, BreakerRefused, BreakerSucceeded),
    *(QuotaDecided, TurnPassed),
)
"""What ordinary calls cause, good ones and refused ones: while somebody listens, each costs microseconds more."""

OUTCOMES = tuple(field.name for field in dataclasses.fields(Totals))
"""What became of a breaker's calls, by the names its totals have."""

# What a part calls itself in its events.
_NAMES = ("name", "limiter", "quota")


def event_kinds() -> tuple[type[Happening], ...]:
    """Return the kinds of event that the parts of :mod:`tradecore.resilience` tell, those of every call left out."""
    public = (getattr(resilience, name) for name in resilience.__all__)
    kinds = [thing for thing in public if isinstance(thing, type) and issubclass(thing, Happening)]
    whole = [kind for kind in kinds if not any(other is not kind and issubclass(other, kind) for other in kinds)]
    return tuple(kind for kind in whole if kind not in EVERY_CALL)


def attend(
    hooks: Hooks, hear: Callable[[Happening], object], kinds: Iterable[type[Happening]] | None
) -> Callable[[], None]:
    """Call ``hear`` for every one of ``kinds`` (None for :func:`event_kinds`); return a function that ends it."""
    stops = [hooks.on(kind, hear) for kind in (event_kinds() if kinds is None else kinds)]

    def stop() -> None:
        for one in stops:
            one()

    return stop


_titles: dict[type, str] = {}
_labels: dict[type, dict[str, tuple[str, ...]]] = {}


def title_of(kind: type[Happening]) -> str:
    """Return the name of a kind in logs and metrics: ``breaker_moved`` for ``BreakerMoved``."""
    if kind not in _titles:
        _titles[kind] = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    return _titles[kind]


def label_names(kind: type[Happening]) -> tuple[str, ...]:
    """Return the fields of a kind that metrics are told apart by: its name, choices, flags, kinds of error."""
    return tuple(_paths(kind))


def _paths(kind: type[Happening]) -> dict[str, tuple[str, ...]]:
    """Return for each label where its value is found: a field, or a field of what a field holds."""
    if kind not in _labels:
        found: dict[str, tuple[str, ...]] = {}
        for name, hint in get_type_hints(kind).items():
            if name in _NAMES or _has_few_values(hint):
                found[name] = (name,)
            else:
                inner = get_type_hints(hint) if _inner(hint) else {}
                found |= {one: (name, one) for one in inner if one not in found and _has_few_values(inner[one])}
        _labels[kind] = found
    return _labels[kind]


def _inner(kind: Any) -> tuple[str, ...]:
    """Return the fields of what is made of some: a dataclass or a named tuple."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return getattr(kind, "_fields", ())


def _has_few_values(hint: Any) -> bool:
    parts = [part for part in get_args(hint) if part is not type(None)]
    if get_origin(hint) is Literal:
        return True
    if parts:
        return all(map(_has_few_values, parts))
    return isinstance(hint, type) and (hint is bool or issubclass(hint, BaseException | Enum))


def labels_of(happening: Happening) -> dict[str, str]:
    """Return these fields as text; of an error its class alone."""
    return {label: _text(reduce(getattr, path, happening)) for label, path in _paths(type(happening)).items()}


def _text(value: Any) -> str:
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def facts_of(happening: Happening) -> Mapping[str, Any]:
    """Return every field for a log line: errors by class, what is made of fields taken apart, secrets masked."""
    facts: dict[str, Any] = {}
    for field in dataclasses.fields(happening):
        value = getattr(happening, field.name)
        if inner := _inner(type(value)):
            facts |= {f"{field.name}_{one}": _plain(getattr(value, one)) for one in inner}
        else:
            facts[field.name] = _plain(value)
    masked: Mapping[str, Any] = redact(facts)
    return masked


def _plain(value: Any) -> Any:
    """Return ``value`` as what logs and spans can hold."""
    if isinstance(value, BaseException):
        return type(value).__name__
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
