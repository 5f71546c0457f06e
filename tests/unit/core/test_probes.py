"""What the core's own probes say, and when."""

from __future__ import annotations

from tests.journey import entry, world

from tradecore.brokers import BrokerClient


def checks(core: object) -> dict[str, dict[str, object]]:
    return core.health.report("ready").as_dict()["checks"]  # type: ignore[attr-defined,no-any-return]


def test_due_work_that_nobody_takes_up_is_a_lag() -> None:
    with world() as w:
        w.core.accept(entry("s-1"))
        assert checks(w.core)["worker"]["status"] == "healthy"
        w.clock.advance(45)
        seen = checks(w.core)["worker"]
        assert seen["status"] == "degraded"
        assert "does a worker run" in str(seen["detail"])
        w.core.run_due()
        w.clock.advance(5)
        assert checks(w.core)["worker"]["status"] == "healthy"


def test_an_order_that_waits_at_the_gate_is_no_lag() -> None:
    with world(profile="loose") as w:
        w.sim.loses_request(times=1)
        w.core.accept(entry("s-1"))
        w.settle(120, step=5)
        w.core.accept(entry("s-2"))
        w.core.run_due()
        w.clock.advance(20)
        w.core.run_due()
        assert checks(w.core)["worker"]["status"] == "healthy"
        assert checks(w.core)["orders"]["status"] == "degraded"


def test_refused_credentials_degrade_the_broker() -> None:
    with world() as w:
        w.sim.refuses_credentials(times=1)
        w.core.accept(entry("s-1"))
        w.core.run_due()
        assert "credentials" in str(checks(w.core)["broker:alpaca"]["detail"])
        w.settle(60, step=10)
        assert checks(w.core)["broker:alpaca"]["status"] == "healthy"


def test_an_open_breaker_degrades_the_broker() -> None:
    with world() as w:
        client: BrokerClient = w.core.brokers["alpaca"]
        client.breaker.isolate()
        assert checks(w.core)["broker:alpaca"]["status"] == "degraded"
