"""Events and breakers as OpenTelemetry metrics, and events on the span in which they happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigurationError
from ..hooks import Happening, Hooks
from ..resilience import CircuitBreaker
from .readings import OUTCOMES, attend, facts_of, labels_of, title_of

__all__ = ["observe", "report"]

_SCOPE = "tradecore.resilience"


def _api() -> tuple[Any, Any]:
    try:
        from opentelemetry import metrics, trace
    except ImportError as missing:
        raise ConfigurationError(
            "traces and meters need the package opentelemetry-api: pip install 'tradecore[otel]'"
        ) from missing
    return metrics, trace


def report(
    hooks: Hooks, *, meter_provider: Any = None, kinds: Iterable[type[Happening]] | None = None
) -> Callable[[], None]:
    """Count every event of the parts that hold ``hooks``, as ``tradecore.<event>``, and add it to the current span.

    Args:
        hooks: what breakers, retries and limiters were given.
        meter_provider: the global one when left out.
        kinds: what to report; every kind of event but those of ordinary calls when left out.

    Returns:
        A function that ends it.

    Raises:
        ConfigurationError: if the package is missing.
    """
    metrics, trace = _api()
    meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
    counters: dict[str, Any] = {}

    def add(happening: Happening) -> None:
        title = title_of(type(happening))
        if title not in counters:
            counters[title] = meter.create_counter(f"tradecore.{title}")
        counters[title].add(1, labels_of(happening))
        span = trace.get_current_span()
        if span.is_recording():
            facts = {key: value for key, value in facts_of(happening).items() if value is not None}
            span.add_event(f"tradecore.{title}", facts)

    return attend(hooks, add, kinds)


def observe(breakers: Iterable[CircuitBreaker], *, meter_provider: Any = None) -> None:
    """Show breakers whenever meters are read: state, failure rate, and what became of their calls.

    A closed call costs nothing for it.

    Args:
        breakers: which, each of a name of its own.
        meter_provider: the global one when left out.

    Raises:
        ConfigurationError: if the package is missing.
    """
    metrics, _ = _api()
    meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
    watched = list(breakers)

    def states(_: Any) -> Iterable[Any]:
        for breaker in watched:
            seen = breaker.snapshot()
            yield metrics.Observation(1, {"name": seen.name, "state": str(seen.override or seen.state)})

    def rates(_: Any) -> Iterable[Any]:
        for breaker in watched:
            seen = breaker.snapshot()
            yield metrics.Observation(seen.failure_rate, {"name": seen.name})

    def calls(_: Any) -> Iterable[Any]:
        for breaker in watched:
            seen = breaker.snapshot()
            for outcome in OUTCOMES:
                yield metrics.Observation(getattr(seen.totals, outcome), {"name": seen.name, "outcome": outcome})

    meter.create_observable_gauge("tradecore.breaker.state", callbacks=[states])
    meter.create_observable_gauge("tradecore.breaker.failure_rate", callbacks=[rates])
    meter.create_observable_counter("tradecore.breaker.calls", callbacks=[calls])
