"""Health: ttl, time boxes, single flight, hysteresis, and that both colours agree."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tradecore.clock import ManualClock
from tradecore.errors import ConfigurationError
from tradecore.flow import Effect, Flow, Pause
from tradecore.health import AsyncHealth, Finding, Health, Probe, Report

OK = Finding("healthy")
DOWN = Finding("unhealthy", "no answer")


class Both:
    """Drives a Health or an AsyncHealth by the same sync words."""

    def __init__(self, colour: str, performed: list[Effect[Any]]) -> None:
        self.colour = colour
        self.clock = ManualClock()
        self._runner = asyncio.Runner() if colour == "async" else None

        def perform(effect: Effect[Any], /) -> Any:
            performed.append(effect)

        async def aperform(effect: Effect[Any], /) -> Any:
            performed.append(effect)

        self.health: Any = (
            AsyncHealth(perform=aperform, clock=self.clock)
            if self._runner
            else Health(perform=perform, clock=self.clock)
        )

    def add(self, check: Callable[[], Any], name: str = "database", **options: Any) -> None:
        self.health.add(Probe(name, check, **options))

    def report(self, kind: str = "ready", **options: Any) -> Report:
        if self._runner:
            return self._runner.run(self.health.report(kind, **options))
        return self.health.report(kind, **options)

    def crowd(self, number: int) -> list[Report]:
        if self._runner:

            async def together() -> list[Report]:
                return list(await asyncio.gather(*(self.health.report() for _ in range(number))))

            return self._runner.run(together())
        reports: list[Report] = []
        threads = [threading.Thread(target=lambda: reports.append(self.health.report())) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return reports

    def close(self) -> None:
        if self._runner:
            self._runner.close()


@pytest.fixture
def performed() -> list[Effect[Any]]:
    return []


@pytest.fixture(params=["sync", "async"])
def both(request: pytest.FixtureRequest, performed: list[Effect[Any]]) -> Any:
    both = Both(request.param, performed)
    yield both
    both.close()


def scripted(*findings: Finding | Exception) -> Callable[[], Finding]:
    queue = list(findings)

    def check() -> Finding:
        found = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(found, Exception):
            raise found
        return found

    return check


def test_a_flow_is_performed_and_its_finding_reported(both: Both, performed: list[Effect[Any]]) -> None:
    def check() -> Flow[Finding]:
        yield from Pause(0.1)
        return Finding("degraded", "slow", {"lag_seconds": 3})

    both.add(check)
    both.add(lambda: check(), name="cache", critical=False)  # a flow made by something that is no generator function
    report = both.report()
    assert performed == [Pause(0.1), Pause(0.1)]
    assert (report.status, report.ok, report.http_status) == ("degraded", True, 200)
    body = report.as_dict()
    assert (body["database"], body["cache"]) == ("degraded", "degraded")
    assert body["checks"]["database"]["data"] == {"lag_seconds": 3}
    assert "data" not in report.as_dict(data=False)["checks"]["database"]


@pytest.mark.parametrize(
    ("critical", "finding", "status", "http_status"),
    [
        (True, OK, "healthy", 200),
        (True, Finding("degraded"), "degraded", 200),
        (True, DOWN, "unhealthy", 503),
        (False, DOWN, "degraded", 200),
    ],
)
def test_only_what_is_critical_takes_the_instance_out(
    both: Both, critical: bool, finding: Finding, status: str, http_status: int
) -> None:
    both.add(lambda: finding, critical=critical)
    report = both.report()
    assert (report.status, report.http_status) == (status, http_status)


def test_liveness_looks_at_nothing(both: Both) -> None:
    both.add(lambda: pytest.fail("liveness must not look"))
    report = both.report("live")
    assert report.ok
    assert report.as_dict() == {
        "status": "healthy",
        "database": "unknown",
        "cache": "none",
        "uptime": 0.0,
        "timestamp": "2020-01-02T14:30:00.000Z",
        "checks": {},
    }


def test_readiness_leaves_out_what_is_not_part_of_it(both: Both) -> None:
    both.add(lambda: DOWN, name="reports", ready=False)
    assert both.report("ready").status == "healthy"
    assert both.report("all").status == "unhealthy"


def test_a_finding_is_used_for_its_ttl_and_shows_its_age(both: Both) -> None:
    looks: list[int] = []
    both.add(lambda: looks.append(1) or OK, ttl=2.0)
    both.report()
    both.clock.advance(1.5)
    assert both.report().as_dict()["checks"]["database"]["age"] == 1.5
    assert len(looks) == 1
    both.clock.advance(0.5)
    assert both.report().as_dict()["checks"]["database"]["age"] == 0
    assert len(looks) == 2


def test_it_takes_three_failures_in_a_row_to_go_down_and_one_success_to_come_back(both: Both) -> None:
    both.add(scripted(OK, DOWN, DOWN, OK, DOWN, DOWN, DOWN, OK), ttl=1.0)
    seen = []
    for _ in range(8):
        seen.append(both.report().status)
        both.clock.advance(1)
    assert seen == ["healthy", "degraded", "degraded", "healthy", "degraded", "degraded", "unhealthy", "healthy"]


def test_the_first_look_decides_at_once(both: Both) -> None:
    both.add(lambda: DOWN)
    assert both.report().status == "unhealthy"


def test_what_a_check_raised_is_logged_and_never_shown(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    both.add(scripted(OSError("connect to db7.internal as root:hunter2")), ttl=0.0)
    with caplog.at_level(logging.WARNING, "tradecore.health"):
        reports = [both.report(), both.report(), both.report()]
    for report in reports:
        assert "hunter2" not in repr(report)
        assert "db7" not in repr(report.as_dict()) + repr(report.as_health_json())
    assert [record.exc_info is not None for record in caplog.records].count(True) == 1


def test_a_check_that_returns_something_else_is_a_failure(both: Both) -> None:
    both.add(lambda: True)
    assert both.report().as_dict()["checks"]["database"]["detail"] == "the check failed"


def test_checks_that_hang_cost_the_longest_time_out_and_run_in_parallel(both: Both) -> None:
    release = threading.Event()
    for number in range(5):
        both.add(release.wait, name=f"hangs-{number}", timeout=0.5)
    both.add(lambda: OK)
    started = time.perf_counter()
    report = both.report()
    took = time.perf_counter() - started
    release.set()
    assert 0.5 <= took < 5 * 0.5  # what five in a row would take at least
    assert report.status == "unhealthy"
    assert report.as_dict()["database"] == "healthy"
    assert report.as_dict()["checks"]["hangs-0"]["detail"] == "no answer within 0.5 s"


def test_a_check_that_still_hangs_is_neither_waited_for_again_nor_started_again(both: Both) -> None:
    release, looks = threading.Event(), []

    def check() -> Finding:
        looks.append(1)
        release.wait()
        return OK

    if both.colour == "async":  # a task is cancelled when its time is over; one that will not die must still be alone

        async def stubborn() -> Finding:
            looks.append(1)
            while not release.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    continue
            return OK

        both.add(stubborn, timeout=1.0, ttl=1.0)
    else:
        both.add(check, timeout=1.0, ttl=1.0)
    both.report()
    both.clock.advance(1)
    started = time.perf_counter()
    both.report()
    assert time.perf_counter() - started < 0.95
    assert looks == [1]
    release.set()


def test_a_late_answer_does_not_count_but_the_next_look_does(both: Both) -> None:
    release, answers = threading.Event(), []

    def check() -> Finding:
        if not answers:
            release.wait()
        answers.append(1)
        return OK

    both.add(check, timeout=0.25, ttl=1.0)
    assert both.report().status == "unhealthy"
    release.set()
    deadline = time.monotonic() + 30
    while not answers and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    assert both.report().status == "unhealthy"  # still the cached time-out
    while both.report().status != "healthy" and time.monotonic() < deadline:
        both.clock.advance(1)
    assert both.report().status == "healthy"


def test_a_hundred_reports_at_once_are_one_look(both: Both) -> None:
    looks, gate = [], threading.Barrier(1)

    def check() -> Finding:
        looks.append(1)
        gate.wait()
        threading.Event().wait(0.02)
        return OK

    both.add(check)
    reports = both.crowd(100)
    assert len(looks) == 1
    assert [report.status for report in reports] == ["healthy"] * 100


def test_a_crowd_before_a_hang_counts_one_failure(both: Both) -> None:
    release, calls = threading.Event(), []

    def check() -> Finding:
        calls.append(1)
        if len(calls) > 1:
            release.wait()
        return OK

    both.add(check, timeout=0.5, ttl=0.5)
    both.report()
    both.clock.advance(0.5)
    statuses = {report.status for report in both.crowd(20)}
    release.set()
    assert statuses == {"degraded"}  # the first failure of three, however many waited for it


def test_while_the_service_starts_or_stops_nothing_is_looked_at_and_ready_says_no(both: Both) -> None:
    both.add(lambda: pytest.fail("the database is closed by now"))
    report = both.report("ready", accepting=False)
    assert report.http_status == 503
    assert report.as_dict()["checks"]["accepting"]["detail"] == "no requests are taken: it starts or shuts down"
    assert both.report("live", accepting=False).ok


def test_health_json_speaks_pass_warn_fail(both: Both) -> None:
    both.add(lambda: OK)
    both.add(lambda: Finding("unhealthy", "worker lags", {"lag_seconds": 9}), name="worker", critical=False)
    body = both.report().as_health_json()
    assert body["status"] == "warn"
    assert body["checks"]["database"] == [{"status": "pass", "time": "2020-01-02T14:30:00.000Z"}]
    assert body["checks"]["worker"][0]["output"] == "worker lags"
    assert body["checks"]["worker"][0]["observedValue"] == {"lag_seconds": 9}


def test_two_probes_of_one_name_are_refused(both: Both) -> None:
    both.add(lambda: OK)
    with pytest.raises(ConfigurationError, match="already a probe named 'database'"):
        both.add(lambda: OK)
    assert repr(both.health).endswith("Health(database)")


def test_a_degraded_check_was_last_healthy_when_it_was_and_its_first_failure_is_forgiven(both):
    found = [OK]
    both.add(lambda: found[0])
    healthy = both.clock.now()
    both.report()
    for worse in (Finding("degraded", "slow"), DOWN):
        found[0] = worse
        both.clock.advance(10)
        check = both.report().as_dict()["checks"]["database"]
        assert check["status"] == "degraded"
        assert check["lastHealthyAt"].startswith(f"{healthy:%Y-%m-%dT%H:%M:%S}")


def test_what_was_never_healthy_but_worked_is_forgiven_its_first_failure_too(both):
    found = [Finding("degraded", "slow")]
    both.add(lambda: found[0])
    both.report()
    found[0] = DOWN
    both.clock.advance(10)
    check = both.report().as_dict()["checks"]["database"]
    assert check["status"] == "degraded"
    assert check["lastHealthyAt"] is None
