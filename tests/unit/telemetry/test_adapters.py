"""Events and breakers as log lines, counters and meters; and what an adapter does with an event it never heard of."""

from __future__ import annotations

import dataclasses
import sys
from typing import Literal

import prometheus_client
import pytest
import structlog
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tradecore.clock import ManualClock
from tradecore.errors import ConfigurationError
from tradecore.hooks import Happening, Hooks
from tradecore.resilience import (
    BreakerFailed,
    BreakerSucceeded,
    CircuitBreaker,
    CircuitOpenError,
    QuotaDecided,
    Quotas,
    RetryEnded,
)
from tradecore.telemetry import opentelemetry, prometheus, readings
from tradecore.telemetry.logging import log
from tradecore.telemetry.readings import event_kinds, label_names, labels_of, title_of


class Down(Exception):
    """The other side is down."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GateOpened(Happening):
    """A kind of event that no adapter knows."""

    name: str
    reason: Literal["wind", "hand"]
    words: str
    error: BaseException | None
    waited: float
    urgent: bool


def broken(hooks):
    """A breaker that failed twice, opened and refused once."""
    breaker = CircuitBreaker("quotes", consecutive=2, clock=ManualClock(), hooks=hooks)
    breaker.call(int)
    for _ in range(2):
        with pytest.raises(Down), breaker:
            raise Down("token=abcdefghijk")
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    return breaker


def test_any_event_has_a_title_and_labels_of_few_values():
    event = GateOpened(name="north", reason="wind", words="free text", error=Down("x"), waited=0.5, urgent=True)
    assert title_of(GateOpened) == "gate_opened"
    assert label_names(GateOpened) == ("name", "reason", "error", "urgent")
    assert labels_of(event) == {"name": "north", "reason": "wind", "error": "Down", "urgent": "true"}


def test_events_of_every_call_are_left_out_so_that_good_calls_keep_their_short_way():
    assert BreakerFailed in event_kinds()
    assert not set(readings.EVERY_CALL) & set(event_kinds())
    hooks = Hooks()
    breaker = CircuitBreaker("b", hooks=hooks)
    stops = [log(hooks), prometheus.count(hooks, registry=prometheus_client.CollectorRegistry())]
    assert breaker._short is not None
    stop = hooks.on(BreakerSucceeded, lambda _: None)
    assert breaker._short is None
    stop()
    assert breaker._short is not None
    for one in stops:
        one()
    assert not any(map(hooks.heard, event_kinds()))


def test_what_the_other_parts_tell_is_read_likewise():
    error = Down("token=abcdefghijk")
    kinds = {title_of(kind): kind for kind in event_kinds()}
    assert {"retry_decided", "budget_exhausted", "bulkhead_refused", "turn_refused", "limiter_blocked"} <= set(kinds)
    retry = RetryEnded(name="quotes", attempts=3, reason="attempts", error=error)
    assert labels_of(retry) == {"name": "quotes", "reason": "attempts", "error": "Down"}
    hooks, heard = Hooks(), []
    hooks.on(QuotaDecided, heard.append)
    Quotas({"connect": "1 per minute"}, clock=ManualClock(), hooks=hooks).hit("connect", "ada@example.org")
    (decided,) = heard
    assert labels_of(decided) == {"name": "connect", "allowed": "true", "outage": ""}
    facts = readings.facts_of(decided)
    assert facts["remaining"] == 0
    assert "ada@example.org" not in facts.values()  # whose units they are is no fact for a log
    assert all(value is None or isinstance(value, str | int | float) for value in facts.values())


def test_structlog_lines_carry_what_was_bound_and_no_secret():
    hooks = Hooks()
    stop = log(hooks)
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        with structlog.contextvars.bound_contextvars(request_id="r-1"):
            broken(hooks)
        stop()
        broken(hooks)
    assert [line["event"] for line in lines] == ["breaker_failed", "breaker_failed", "breaker_moved"]
    assert {line["request_id"] for line in lines} == {"r-1"}
    assert lines[0]["error"] == "Down"
    moved = lines[-1]
    assert (moved["log_level"], moved["old"], moved["new"], moved["why"]) == (
        *("warning", "closed", "open"),
        "2 failures in a row",
    )
    assert "abcdefghijk" not in repr(lines)


def test_prometheus_counts_events_and_reads_breakers_when_scraped():
    hooks, registry = Hooks(), prometheus_client.CollectorRegistry()
    prometheus.count(hooks, registry=registry)
    breaker = broken(hooks)
    registry.register(prometheus.BreakerCollector([breaker]))
    value = registry.get_sample_value
    assert value("tradecore_breaker_failed_total", {"name": "quotes", "error": "Down"}) == 2
    assert value("tradecore_breaker_moved_total", {"name": "quotes", "old": "closed", "new": "open"}) == 1
    assert value("tradecore_breaker_state", {"name": "quotes", "state": "open"}) == 1
    assert value("tradecore_breaker_state", {"name": "quotes", "state": "closed"}) == 0
    assert value("tradecore_breaker_calls_total", {"name": "quotes", "outcome": "succeeded"}) == 1
    assert value("tradecore_breaker_calls_total", {"name": "quotes", "outcome": "failed"}) == 2
    assert value("tradecore_breaker_calls_total", {"name": "quotes", "outcome": "refused"}) == 1
    with pytest.raises(ConfigurationError, match="one name"):
        prometheus.BreakerCollector([breaker, broken(None)])


def test_opentelemetry_counts_reads_and_marks_the_span():
    reader, spans, hooks = InMemoryMetricReader(), InMemorySpanExporter(), Hooks()
    provider, tracing = MeterProvider([reader]), TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    opentelemetry.report(hooks, meter_provider=provider)
    with tracing.get_tracer("test").start_as_current_span("call"):
        breaker = broken(hooks)
    opentelemetry.observe([breaker], meter_provider=provider)
    found = {
        metric.name: {tuple(sorted(point.attributes.items())): point.value for point in metric.data.data_points}
        for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics
        for metric in scope.metrics
    }
    assert found["tradecore.breaker_failed"] == {(("error", "Down"), ("name", "quotes")): 2}
    assert found["tradecore.breaker.state"] == {(("name", "quotes"), ("state", "open")): 1}
    assert found["tradecore.breaker.calls"][("name", "quotes"), ("outcome", "refused")] == 1
    (span,) = spans.get_finished_spans()
    assert [event.name for event in span.events] == [
        *("tradecore.breaker_failed", "tradecore.breaker_failed", "tradecore.breaker_moved")
    ]
    assert span.events[-1].attributes["new"] == "open"
    provider.shutdown()


@pytest.mark.parametrize(
    ("package", "use", "extra"),
    [
        ("prometheus_client", lambda: prometheus.count(Hooks()), "prometheus"),
        ("opentelemetry", lambda: opentelemetry.report(Hooks()), "otel"),
    ],
)
def test_a_missing_package_is_said_with_its_extra(monkeypatch, package, use, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=rf"tradecore\[{extra}\]"):
        use()
