"""A breaker through a simulated outage, drawn from a real run of it on a clock that is moved by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from svg import Drawing, Point

from tradecore.clock import ManualClock
from tradecore.resilience import CircuitBreaker, CircuitOpenError

SECONDS, CALLS = 180, 20  # of the run; calls a second
DOWN, UP = 40, 110  # the other side fails from one to the other


@dataclass
class Second:
    """What one second saw.

    Attributes:
        state: the breaker's at its end.
        good: calls that were answered.
        failed: calls that reached the other side in vain.
        refused: calls that were not made.
    """

    state: str = "closed"
    good: int = 0
    failed: int = 0
    refused: int = 0


def run(**settings: Any) -> list[Second]:
    """Let ``CALLS`` calls a second through a breaker, and return what each second saw."""
    clock = ManualClock()
    breaker = CircuitBreaker("quotes", clock=clock, **settings)
    seen = []
    for number in range(SECONDS):
        second = Second()
        for _ in range(CALLS):
            clock.advance(1 / CALLS)
            try:
                breaker.call(_answer, down=DOWN <= number < UP)
                second.good += 1
            except ConnectionError:
                second.failed += 1
            except CircuitOpenError:
                second.refused += 1
        second.state = breaker.snapshot().state
        seen.append(second)
    return seen


def _answer(*, down: bool) -> None:
    if down:
        raise ConnectionError


def breaker_outage() -> str:
    """Draw the run of a breaker with a window of 20 s whose rest grows from 5 s to 20 s."""
    seen = run(
        window=20.0, failure_rate=0.5, reset_timeout=5.0, reset_backoff=2.0, reset_timeout_max=20.0, reset_jitter=0
    )
    left, top, step, tall = 92.0, 40.0, 4.4, 150.0
    drawing = Drawing(left + SECONDS * step + 30, top + tall + 130, "A breaker through an outage of 70 seconds")

    def at(second: float, calls: float) -> Point:
        return left + second * step, top + tall * (1 - calls / CALLS)

    for calls in (0, CALLS // 2, CALLS):
        drawing.line([at(0, calls), at(SECONDS, calls)], faint=True)
        drawing.words((left - 10, at(0, calls)[1] + 4), str(calls), anchor="end")
    for name, of, where in (("hub3", "good", 20), ("hub2", "failed", 44), ("hub1", "refused", 78)):
        drawing.line([at(number + 0.5, getattr(second, of)) for number, second in enumerate(seen)], hub=name)
        drawing.words((at(where, 0)[0], top - 14), {"good": "answered", "failed": "in vain"}.get(of, of), kind=name)
    drawing.words((at(UP + 35, 0)[0], top - 14), "calls a second")
    base = top + tall + 40
    levels = {"closed": base + 50, "half-open": base + 25, "open": base}
    for state, y in levels.items():
        drawing.words((left - 10, y + 4), state, anchor="end")
    drawing.line([(at(number + 0.5, 0)[0], levels[second.state]) for number, second in enumerate(seen)])
    for second in range(0, SECONDS + 1, 30):
        drawing.words((at(second, 0)[0], base + 80), f"{second} s")
    drawing.line([(at(DOWN, 0)[0], base + 64), (at(UP, 0)[0], base + 64)], hub="hub2")
    return drawing.text() + _sum(seen)


def _sum(seen: list[Second]) -> str:
    down = seen[DOWN:UP]
    made, spared = sum(s.failed for s in down), sum(s.refused for s in down)
    back = next(number for number in range(UP, SECONDS) if seen[number].good == CALLS) - UP
    return (
        f"<p>The line below marks the outage, of {UP - DOWN} seconds: {made} calls were made in vain and {spared} were "
        f"spared. All calls were answered again {back} seconds after it ended.</p>"
    )


class _Outage(Directive):
    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", breaker_outage(), format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("breaker-outage", _Outage)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
