"""Functions that end as they were told, and ways to call them."""

from __future__ import annotations

import asyncio

from tradecore.clock import ManualClock
from tradecore.resilience import Bulkhead, CircuitBreaker, Deadline, Fallback, RateLimiter, RetryPolicy


class Down(Exception):
    """The other side is down."""


class Story:
    """A function that ends as it was told, call by call; the last end repeats."""

    def __init__(self, *ends: object) -> None:
        self.ends = list(ends)
        self.calls = 0

    def __call__(self, *args: object) -> object:
        end = self.ends[min(self.calls, len(self.ends) - 1)]
        self.calls += 1
        if isinstance(end, BaseException):
            raise end
        return end


def policy(on=Down, **options):
    options.setdefault("clock", ManualClock(autoadvance=True))
    return RetryPolicy(on=on, **options)


def driven(colour: str, retry: RetryPolicy, story: Story) -> object:
    """Call the story by policy, in either colour."""
    if colour == "plain":
        return retry(story)()

    async def function() -> object:
        return story()

    return asyncio.run(retry(function)())


async def until(holds) -> None:
    """Let others run until ``holds()``."""
    while not holds():
        await asyncio.sleep(0)


class Parts:
    """One part of each kind on one clock."""

    def __init__(self, clock=None, **breaker):
        self.clock = clock or ManualClock(autoadvance=True)
        self.deadline = Deadline(10.0, clock=self.clock)
        self.fallback = Fallback.value("stale")
        self.bulkhead = Bulkhead(2, clock=self.clock)
        self.retry = RetryPolicy(on=(Down, TimeoutError), base=1.0, cap=2.0, clock=self.clock)
        self.breaker = CircuitBreaker("quotes", clock=self.clock, **{"call_timeout": None, **breaker})
        self.pace = RateLimiter("100/minute", clock=self.clock)

    def __iter__(self):
        return iter((self.deadline, self.fallback, self.bulkhead, self.retry, self.breaker, self.pace))


def idle(parts):
    return (parts.bulkhead.running, parts.bulkhead.queued)


def taken(pace):
    return pace.policies[0].limit - pace.peek().remaining
