"""Tests of the test: a core that breaks one rule is caught, by what it does and not by how it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.chaos.variants import VARIANTS
from tests.flows.scenarios import Scenario
from tests.flows.test_paused_worker import pause
from tests.flows.wire import Broken, Wire

Try = Callable[[], object]


def _dies_anywhere(scenario: Scenario) -> Iterator[Try]:
    yield lambda: scenario.play("undisturbed")
    for effect in range(25):
        yield lambda effect=effect: scenario.crash(effect)


def _stands_still(scenario: Scenario) -> Iterator[Try]:
    for point in range(1, 25):
        yield lambda point=point: pause(scenario, point, 35.0)


# Variant -> where to look for it, and the words it is caught with.
CAUGHT: dict[str, tuple[Iterator[Try], str]] = {
    "call_before_commit": (_dies_anywhere(Scenario("loose", "filled", "none")), "SENT TWICE"),
    "outcome_before_call": (_dies_anywhere(Scenario("unique", "filled", "none")), "LOST"),
    "no_fencing": (_stands_still(Scenario("loose", "filled", "none")), "SENT TWICE"),
    "resend_on_unknown": (_dies_anywhere(Scenario("loose", "filled", "reply lost")), "SENT TWICE"),
    "second_refusal_is_final": (_dies_anywhere(Scenario("unique", "filled", "second attempt refused")), "GHOST"),
    "no_quiet_time": (_dies_anywhere(Scenario("unique", "filled", "second attempt refused")), "GHOST"),
    "time_out_is_not_sent": (_dies_anywhere(Scenario("loose", "filled", "reply lost")), "SENT TWICE"),
    "doubt_is_a_rejection": (_dies_anywhere(Scenario("unique", "filled", "reply lost")), "GHOST"),
    "fills_booked_twice": (_dies_anywhere(Scenario("unique", "filled", "none")), "AAPL"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_broken_core_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the witness at the wire: the books alone have to tell.
    monkeypatch.setattr(Wire, "witness", lambda self, client_order_id: None)
    VARIANTS[name](monkeypatch)
    tries, words = CAUGHT[name]
    for attempt in tries:
        try:
            attempt()
        except Broken as broken:
            if words in str(broken):
                return
    pytest.fail(f"nobody noticed {name}")


def test_the_witness_at_the_wire_sees_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    VARIANTS["call_before_commit"](monkeypatch)
    with pytest.raises(Broken, match="goes out while the journal says"):
        Scenario("unique", "filled", "none").play("undisturbed")
