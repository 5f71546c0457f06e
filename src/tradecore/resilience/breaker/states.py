"""The states of a circuit breaker: what is remembered in each, and how it moves from one to the next."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from math import inf
from typing import Any

import pybreaker

from ...clock import Clock, SystemClock
from ...hooks import Hooks
from .events import BreakerAdmitted, BreakerEvent, BreakerMoved, BreakerRefused, BreakerSucceeded
from .mirror import Mirror
from .permits import Outcome, Override, Refusal
from .probes import Trial
from .settings import BreakerSettings
from .sharing import Report, VerdictStore
from .telling import Teller
from .windows import Window

__all__ = ["CLOSED", "HALF_OPEN", "OPEN", "States", "Store"]

CLOSED, OPEN, HALF_OPEN = pybreaker.STATE_CLOSED, pybreaker.STATE_OPEN, pybreaker.STATE_HALF_OPEN
Store = pybreaker.CircuitBreakerStorage | VerdictStore
# Without the interpreter's lock a step of an iterator may count two calls as one: then nobody goes the short way.
_EVERY_CALL: tuple[type[BreakerEvent], ...] = (BreakerAdmitted, BreakerSucceeded)
_ATOMIC = getattr(sys, "_is_gil_enabled", lambda: True)()


class States(pybreaker.CircuitBreaker):
    """A pybreaker that remembers more; the lower half of :class:`tradecore.resilience.breaker.engine.Engine`.

    Attributes:
        clock: tells the time.
        settings: what it was told at its construction.
        call_timeout: seconds for a call, or None.
    """

    def __init__(
        self,
        name: str,
        settings: BreakerSettings,
        clock: Clock | None,
        store: Store | None,
        hooks: Hooks | None,
        listeners: Iterable[pybreaker.CircuitBreakerListener],
    ) -> None:
        """Start closed, or as ``store`` says."""
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.settings = settings
        self.call_timeout = settings.call_timeout
        self._now = time.monotonic if type(self.clock) is SystemClock else self.clock.monotonic
        self._rule = settings.rule()
        self._patience = min(settings.slow_after or inf, settings.call_timeout or inf)
        storage = store if isinstance(store, pybreaker.CircuitBreakerStorage) else None
        self._mirror = Mirror(storage) if storage is not None else None
        self._verdicts: VerdictStore | None = None if storage is not None else store  # type: ignore[assignment]
        self._teller = Teller(self, hooks)
        self._begin()
        # The base class makes its first state inside its __init__, so what _create_new_state needs stands before it.
        super().__init__(
            fail_max=settings.consecutive or settings.minimum_calls,
            reset_timeout=settings.reset_timeout,
            success_threshold=settings.success_threshold,
            exclude=list(settings.ignore),
            listeners=list(listeners),
            state_storage=storage,
            name=name,
            throw_new_error_on_trip=False,
        )
        if self._mirror is not None and self._state.name == OPEN:
            self._shut_until -= self._mirror.since_opened(self.clock.now())
        self.listeners_changed()
        if hooks is not None:
            hooks.attach(self)
        if self._verdicts is not None:
            self._verdicts.join(self)

    def _begin(self) -> None:
        self._override: Override | None = None
        self._generation = self._trips = 0
        self._opened_at: datetime | None = None
        self._reason = self._why = ""
        self._reset_timeout = self.settings.reset_timeout
        self._shut_until = self._quick_until = -inf
        self._facts = Refusal("", OPEN, None, "")
        self._trial: Trial | None = None
        self._probed = False
        self._window = self.settings.new_window(0, self._now())
        self._short: Window | None = None
        self._past = [0, 0, 0]  # succeeded, failed, slow: of the windows before this one, and of probes
        self._ignored = self._late = 0
        self._refused = iter(range(1, sys.maxsize))
        self._judged: dict[type, Outcome] = {}
        self._by_kind = all(isinstance(rule, type) for rule in (*self.settings.record, *self.settings.ignore))
        self._id = secrets.token_hex(6)
        self._leases: set[str] = set()
        self._returned: deque[str] = deque(maxlen=1000)

    def _move(self, new: str, why: str) -> None:
        """Move, under the lock; who shares the state is told after it."""
        self._why = why
        self._state = self._create_new_state(new, prev_state=self._state, notify=True)
        if self._mirror is not None:
            self._mirror.will_write()
            self._teller.do(partial(self._mirror.write, new, self._opened_at))
        else:
            self._state_storage.state = new

    def _adopt(self, mirror: Mirror) -> None:
        """Move as another process did, if it did."""
        generation = self._generation
        state = mirror.read()
        if state is None or state == self._state.name or state not in (CLOSED, OPEN, HALF_OPEN):
            return
        elapsed = mirror.since_opened(self.clock.now()) if state == OPEN else 0.0
        with self._lock:
            if generation == self._generation and self._override is None:
                self._why = "another process moved it"
                self._state = self._create_new_state(state, prev_state=self._state, notify=True)
                self._shut_until -= elapsed

    def _create_new_state(self, new_state: str, prev_state: Any = None, notify: bool = False) -> Any:
        # Every pybreaker transition passes here, ours and those seen in a storage, under the base class's lock.
        state = super()._create_new_state(new_state, prev_state, notify=False)
        now, settings = self._now(), self.settings
        before = prev_state.name if prev_state is not None else CLOSED
        self._retire_window()
        self._generation += 1
        self._window = settings.new_window(self._generation, now)
        self._shut_until = -inf
        if new_state == OPEN:
            self._opened_at, self._reason, self._probed = self.clock.now(), self._why, before == HALF_OPEN
            self._trips += 1
            self._shut_until = now + settings.open_period(self._trips, self._reset_timeout)
            self._trial = Trial(settings, now)
        elif new_state == HALF_OPEN:
            self._trial = self._trial if self._trial is not None and before == OPEN else Trial(settings, now)
            self._trial.begin(now)
        else:
            self._trial, self._trips = None, 0
        if before == HALF_OPEN:
            self._returned.extend(self._leases)
            self._leases.clear()
        self._look(new_state)
        if notify and BreakerMoved in self._teller.wanted and not before == new_state == CLOSED:
            moved = {"old": before, "new": new_state, "why": self._why, "generation": self._generation}
            self._teller.note(BreakerMoved, (prev_state, state), **moved)
        self._why = "its state was set"
        if prev_state is not None:
            self._tell_peers()
        return state

    def _retire_window(self) -> None:
        window = self._window
        window.retire()
        for place, more in enumerate((window.last - window.failed, window.failed, window.slow)):
            self._past[place] += more

    def _look(self, state: str = "") -> None:
        """Find out which calls may go which way."""
        state = state or self._state.name
        plain = state == CLOSED and self._override not in (Override.ISOLATED, Override.DISABLED)
        every = self._teller.announces or not self._teller.wanted.isdisjoint(_EVERY_CALL)
        alone = self._mirror is None and self.settings.record_result is None
        self._short = self._window if plain and alone and _ATOMIC and not every else None
        quick = self._mirror is None and BreakerRefused not in self._teller.wanted
        shut = self._shut_until if self._override is None else -inf
        self._facts = Refusal(str(getattr(self, "_name", "")), OPEN, self._opened_at, self._reason)
        self._quick_until = shut if quick else -inf

    def listeners_changed(self) -> None:
        """Find out what is to be told, and to whom."""
        with self._lock:
            self._teller.look(self._listeners)
            self._look(self._state.name)

    def _give_back(self, lease: str) -> None:
        self._leases.discard(lease)
        self._returned.append(lease)
        self._tell_peers()

    def _tell_peers(self) -> None:
        if self._verdicts is not None:
            self._teller.do(partial(self._verdicts.changed, self))

    # What the processes' common store asks

    @property
    def member(self) -> str:
        """Which of the breakers of this name it is, among all processes."""
        return f"{os.getpid()}-{self._id}"

    def report(self) -> Report:
        """Say how it is now, to the others of its name."""
        with self._lock:
            left = self._shut_until - self._now() if self._state.name == OPEN and self._override is None else 0.0
            returned = [self._returned.popleft() for _ in range(len(self._returned))]
        left = max(0.0, left)
        return Report(left, left if self._probed else 0.0, returned)
