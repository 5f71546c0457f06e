"""Probes, findings and readings by themselves, and what the async class alone can do."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from tradecore.clock import ManualClock
from tradecore.errors import ConfigurationError
from tradecore.health import AsyncHealth, Finding, Health, Probe, Report
from tradecore.health.probes import Reading

OK = Finding("healthy")
DOWN = Finding("unhealthy", "no answer")


def test_a_probe_lists_everything_wrong_with_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Probe("", lambda: OK, timeout=0, ttl=-1, failures=0)
    assert len(caught.value.details) == 4


def test_a_finding_knows_three_words() -> None:
    with pytest.raises(ValueError, match="healthy, degraded, unhealthy"):
        Finding("fine")  # type: ignore[arg-type]


def test_an_async_check_needs_the_async_class() -> None:
    async def check() -> Finding:
        return OK

    with pytest.raises(ConfigurationError, match="AsyncHealth"):
        Health([Probe("database", check)], perform=lambda effect: effect)  # type: ignore[arg-type,return-value]


def test_an_async_check_is_awaited_and_cancelled_when_its_time_is_over() -> None:
    ended: list[str] = []

    async def check() -> Finding:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return OK

    async def scenario() -> Report:
        health = AsyncHealth([Probe("database", check, timeout=0.02)], perform=None)  # type: ignore[arg-type]
        report = await health.report()
        await asyncio.sleep(0)
        return report

    assert asyncio.run(scenario()).status == "unhealthy"
    assert ended == ["cancelled"]


def test_a_flight_of_a_loop_that_is_gone_does_not_hold_up_the_next_loop() -> None:
    looks: list[int] = []
    begun = asyncio.Event()

    async def check() -> Finding:
        looks.append(1)
        begun.set()
        if len(looks) == 1:
            await asyncio.sleep(60)
        return OK

    health = AsyncHealth([Probe("database", check, timeout=5)], perform=None)  # type: ignore[arg-type]

    async def leave() -> None:
        task = asyncio.ensure_future(health.report())
        await begun.wait()
        task.cancel()

    asyncio.run(leave())
    assert asyncio.run(health.report()).status == "healthy"


def test_both_colours_have_one_signature() -> None:
    for name in ("add", "report"):
        sync = inspect.signature(getattr(Health, name))
        assert str(sync) == str(inspect.signature(getattr(AsyncHealth, name)))


def test_an_unknown_reading_of_what_is_critical_is_not_ready() -> None:
    reading = Reading("database", "unknown", critical=True)
    report = Report.of("ready", [reading], watched=frozenset({"database"}), uptime=0.0, timestamp=ManualClock().now())
    assert report.http_status == 503
