"""Events and breakers as Prometheus metrics. A closed call costs nothing: breakers are read when they are scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import ConfigurationError
from ..hooks import Happening, Hooks
from ..resilience import CircuitBreaker
from .readings import OUTCOMES, attend, label_names, labels_of, title_of

__all__ = ["BreakerCollector", "count"]

STATES = ("closed", "half-open", "open", "isolated", "disabled", "metrics_only")


def _client() -> Any:
    try:
        import prometheus_client
        import prometheus_client.core
    except ImportError as missing:
        raise ConfigurationError(
            "metrics need the package prometheus-client: pip install 'tradecore[prometheus]'"
        ) from missing
    return prometheus_client


def count(hooks: Hooks, *, registry: Any = None, kinds: Iterable[type[Happening]] | None = None) -> Callable[[], None]:
    """Count every event of the parts that hold ``hooks``, as ``tradecore_<event>_total``.

    Labels are the part's name and the fields that have few values: states, reasons, the class of an error.

    Args:
        hooks: what breakers, retries and limiters were given.
        registry: a ``CollectorRegistry``; the default one when left out.
        kinds: what to count; every kind of event but those of ordinary calls when left out.

    Returns:
        A function that ends it; the metrics stay.

    Raises:
        ConfigurationError: if the package is missing.
    """
    client = _client()
    counters: dict[type[Happening], Any] = {}

    def add(happening: Happening) -> None:
        kind = type(happening)
        if kind not in counters:
            told = (kind.__doc__ or kind.__name__).strip().splitlines()[0]
            where = registry if registry is not None else client.REGISTRY
            counters[kind] = client.Counter(f"tradecore_{title_of(kind)}", told, label_names(kind), registry=where)
        counters[kind].labels(**labels_of(happening)).inc()

    return attend(hooks, add, kinds)


class BreakerCollector:
    """Shows breakers at each scrape: state, rates, and what became of their calls since they were made.

    Example:
        >>> REGISTRY.register(BreakerCollector([quotes, orders]))               # doctest: +SKIP

    Args:
        breakers: which, each of a name of its own.

    Raises:
        ConfigurationError: if the package is missing, or two breakers have one name.
    """

    def __init__(self, breakers: Iterable[CircuitBreaker]) -> None:
        """Read nothing yet."""
        self._core = _client().core
        self._breakers = list(breakers)
        if len({breaker.name for breaker in self._breakers}) < len(self._breakers):
            raise ConfigurationError("two breakers have one name, and metrics could not tell them apart")

    def collect(self) -> Iterator[Any]:
        """Yield the metrics."""
        core = self._core
        state = core.GaugeMetricFamily("tradecore_breaker_state", "1 for the present state.", labels=["name", "state"])
        rate = core.GaugeMetricFamily("tradecore_breaker_failure_rate", "Failures per call.", labels=["name"])
        slow = core.GaugeMetricFamily("tradecore_breaker_slow_rate", "Slow calls per call.", labels=["name"])
        calls = core.CounterMetricFamily("tradecore_breaker_calls", "What became of calls.", labels=["name", "outcome"])
        for breaker in self._breakers:
            seen = breaker.snapshot()
            now = seen.override or seen.state
            for one in STATES:
                state.add_metric([seen.name, one], float(one == now))
            rate.add_metric([seen.name], seen.failure_rate)
            slow.add_metric([seen.name], seen.slow_rate)
            for outcome in OUTCOMES:
                calls.add_metric([seen.name, outcome], getattr(seen.totals, outcome))
        yield from (state, rate, slow, calls)
