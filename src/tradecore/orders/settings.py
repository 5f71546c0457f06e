"""How patient the journey is. Durations in seconds by the core's clock."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigurationError

__all__ = ["JourneySettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneySettings:
    """The journey's durations and counts; every default is the safe one.

    Attributes:
        lease: how long a claimed or sending order belongs to its worker.
        send_max: the most a send may take, time-out included; a claim with less left on its lease does not send.
        send_by: how long after its signal arrived an entry may still be sent; anything else, after it was recorded.
        absent_looks: how many looks must find nothing, the last one begun after the quiet time, to prove absence.
        look_every: wait between looks at an unknown order: the first one; it doubles up to ``look_at_most``.
        look_at_most: the longest wait between looks.
        review_every: how often an order in review is looked up all the same.
        watch_every: wait between looks at a working order; it doubles with the order's age up to ``watch_at_most``.
        watch_at_most: the longest wait between looks at a working order.
        late_fill_window: how long after a cancel or an expiry one more look is taken, for fills that arrive late.
        retry_after: wait after a proof of not sent; it doubles up to ``retry_at_most``.
        retry_at_most: the longest such wait.
        exit_patience: how long an exit waits, from the last thing heard of them, for what became of orders sent before
            it; for what is not routed or not sent yet it waits until that has ended.
        job_attempts: how often routing a signal is tried before it is a dead letter.
    """

    lease: float = 30.0
    send_max: float = 10.0
    send_by: float = 300.0
    absent_looks: int = 3
    look_every: float = 0.5
    look_at_most: float = 30.0
    review_every: float = 60.0
    watch_every: float = 0.5
    watch_at_most: float = 30.0
    late_fill_window: float = 60.0
    retry_after: float = 0.5
    retry_at_most: float = 30.0
    exit_patience: float = 60.0
    job_attempts: int = 8

    def __post_init__(self) -> None:
        """Refuse what would break the promise."""
        problems = [f"{name} must be positive" for name in self.__slots__ if getattr(self, name) <= 0]
        if self.lease <= self.send_max:
            problems.append(f"lease ({self.lease:g} s) must be longer than send_max ({self.send_max:g} s)")
        if problems:
            raise ConfigurationError.of(problems)

    def quiet(self, worst_lag: float) -> float:
        """Return the seconds after a send before absence counts: lease + send_max + the broker's worst lag."""
        return self.lease + self.send_max + worst_lag

    @staticmethod
    def asked(seconds: float | None, otherwise: float) -> float:
        """Return the wait a broker asked for, ten minutes at most; ``otherwise`` where it named none that is one."""
        return min(seconds, 600.0) if seconds is not None and seconds > 0 else otherwise

    @staticmethod
    def backoff(first: float, at_most: float, tries: int) -> float:
        """Return the wait after ``tries`` tries: it doubles from ``first`` up to ``at_most``."""
        return float(min(at_most, first * 2.0 ** min(tries, 20)))
