"""What can be read off any happening without knowing its kind: its name, and the fields that have few values.

So a part that gets a new kind of event is logged and counted without an edit here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .. import resilience
from ..hooks import Happening, Hooks
from ..redact import redact
from ..resilience import BreakerAdmitted, BreakerRefused, BreakerSucceeded

__all__ = ["EVERY_CALL", "attend", "event_kinds", "facts_of", "label_names", "labels_of", "title_of"]

EVERY_CALL: tuple[type[Happening], ...] = (BreakerAdmitted, BreakerRefused, BreakerSucceeded)
"""What ordinary calls cause, good ones and refused ones: while somebody listens, each costs microseconds more."""


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
_labels: dict[type, tuple[str, ...]] = {}


def title_of(kind: type[Happening]) -> str:
    """Return the name of a kind in logs and metrics: ``breaker_moved`` for ``BreakerMoved``."""
    if kind not in _titles:
        _titles[kind] = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    return _titles[kind]


def label_names(kind: type[Happening]) -> tuple[str, ...]:
    """Return the fields of a kind that metrics are told apart by: its name, choices, flags, kinds of error."""
    if kind not in _labels:
        hints = get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        _labels[kind] = tuple(name for name in names if name == "name" or _has_few_values(hints[name]))
    return _labels[kind]


def _has_few_values(hint: Any) -> bool:
    parts = [part for part in get_args(hint) if part is not type(None)]
    if get_origin(hint) is Literal:
        return True
    if parts:
        return all(map(_has_few_values, parts))
    return isinstance(hint, type) and (hint is bool or issubclass(hint, BaseException | Enum))


def labels_of(happening: Happening) -> dict[str, str]:
    """Return these fields as text; of an error its class alone."""
    return {name: _text(getattr(happening, name)) for name in label_names(type(happening))}


def _text(value: Any) -> str:
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def facts_of(happening: Happening) -> Mapping[str, Any]:
    """Return every field for a log line: errors by class, what looks like a secret masked."""
    facts = {}
    for field in dataclasses.fields(happening):
        value = getattr(happening, field.name)
        facts[field.name] = type(value).__name__ if isinstance(value, BaseException) else value
    # `name` and its like are ours, but a free text may have come from outside.
    masked: Mapping[str, Any] = redact(facts)
    return masked
