"""Arguments that cannot be are refused when a part is made, all of them at once, in words."""

from __future__ import annotations

import pytest
import tenacity

from tradecore.clock import ManualClock
from tradecore.errors import ConfigurationError
from tradecore.resilience import (
    Bulkhead,
    CircuitBreaker,
    Deadline,
    Fallback,
    Pipeline,
    RateLimiter,
    RetryBudget,
    RetryPolicy,
)

NAN, INF = float("nan"), float("inf")


async def decides(error):
    return True


WRONG = [
    (lambda: RetryPolicy(on=()), "on must name at least one"),
    (lambda: RetryPolicy(on=[ValueError, "TimeoutError"]), "on must hold types"),
    (lambda: RetryPolicy(on=tenacity.asyncio.retry_if_exception(decides)), "must not be awaited"),
    (lambda: RetryPolicy(on=ValueError, attempts=0), "attempts must be at least 1"),
    (lambda: RetryPolicy(on=ValueError, attempts=-1), "attempts must be at least 1"),
    (lambda: RetryPolicy(on=ValueError, base=0), "base and cap"),
    (lambda: RetryPolicy(on=ValueError, base=-1.0), "base and cap"),
    (lambda: RetryPolicy(on=ValueError, base=2.0, cap=1.0), "base and cap"),
    (lambda: RetryPolicy(on=ValueError, cap=INF), "base and cap"),
    (lambda: RetryPolicy(on=ValueError, base=NAN), "base and cap"),
    (lambda: RetryPolicy(on=ValueError, retry_after_cap=-1), "retry_after_cap"),
    (lambda: RetryBudget(ratio=0), "ratio"),
    (lambda: RetryBudget(ratio=1.1), "ratio"),
    (lambda: RetryBudget(ratio=NAN), "ratio"),
    (lambda: RetryBudget(floor=-0.1), "floor"),
    (lambda: RetryBudget(floor=INF), "floor"),
    (lambda: RetryBudget(capacity=0.5), "capacity"),
    (lambda: Bulkhead(0), "max_concurrent"),
    (lambda: Bulkhead(-3), "max_concurrent"),
    (lambda: Bulkhead(1, max_queue=-1), "max_queue"),
    (lambda: Bulkhead(1, max_wait=-0.1), "max_wait"),
    (lambda: Bulkhead(1, max_wait=NAN), "max_wait"),
    (lambda: Deadline(0), "positive, finite"),
    (lambda: Deadline(-1), "positive, finite"),
    (lambda: Deadline(NAN), "positive, finite"),
    (lambda: Deadline(INF), "positive, finite"),
    (lambda: Fallback("stale"), "must be callable"),
    (lambda: Pipeline(), "must have a part"),
    (lambda: Pipeline(Bulkhead(1), attempt_timeout=0), "attempt_timeout"),
    (lambda: Pipeline(Bulkhead(1), pace_wait=-1), "pace_wait"),
    (lambda: Pipeline(Bulkhead(1), order="mine"), "order must be"),
    (lambda: Pipeline(ManualClock()), "cannot hold ManualClock"),
    (lambda: Pipeline(CircuitBreaker("b", clock=ManualClock()), Bulkhead(1)), "share one clock"),
    (lambda: Pipeline(*[RateLimiter("1/second")] * 2), "twice"),
]


@pytest.mark.parametrize(("make", "words"), WRONG, ids=[words for _, words in WRONG])
def test_it_is_refused(make, words):
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_on_has_no_default():
    with pytest.raises(TypeError, match="on"):
        RetryPolicy()


def test_everything_wrong_is_listed_at_once():
    with pytest.raises(ConfigurationError) as refused:
        Bulkhead(0, max_queue=-1, max_wait=-1)
    assert len(refused.value.details) == 3


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (RetryPolicy(on=(ValueError, KeyError)), "RetryPolicy(on=ValueError, KeyError, attempts=3)"),
        (RetryBudget("alpaca"), "RetryBudget('alpaca', ratio=0.1, floor=1, tokens=10.0)"),
        (Bulkhead(2, max_queue=3), "Bulkhead(2, max_queue=3, running=0, queued=0)"),
        (Deadline(2), "Deadline(2)"),
        (Fallback(sorted), "Fallback(sorted)"),
    ],
)
def test_a_part_shows_what_it_is(part, shown):
    assert repr(part) == shown
