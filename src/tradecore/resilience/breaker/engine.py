"""How a circuit breaker decides: who is let through, and what a result says.

The lock is held for these decisions alone: never while a protected function, a predicate, a listener or a store is at
work. Closed, a call takes no lock at all: it leaves by the short way, with the window in hand that it came by.
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import Future
from math import inf
from typing import Any, NamedTuple

from ..judging import judge
from .events import BreakerAdmitted, BreakerFailed, BreakerIgnored, BreakerRefused, BreakerSlow, BreakerSucceeded
from .permits import BreakerPermit, CircuitOpenError, Outcome, Override, Refusal
from .probes import Trial, Verdict
from .sharing import Answer
from .states import CLOSED, HALF_OPEN, OPEN, States
from .windows import Window

__all__ = ["Engine", "Question"]


class Question(NamedTuple):
    """A place for a probe that the processes' common store was asked for."""

    trial: Trial
    lease: str
    answer: Future[Answer]


class Engine(States):
    """A pybreaker whose admission and settlement are ours; :class:`CircuitBreaker` is what users hold."""

    def acquire(self) -> BreakerPermit:
        """Return leave to make one call.

        Raises:
            CircuitOpenError: a new one each time, with ``retry_after``.
        """
        window = self._short
        if window is not None:
            return BreakerPermit(self, window.generation, False, self._now())
        shut_for = self._quick_until - self._now()
        if shut_for > 0.0:
            next(self._refused)
            raise CircuitOpenError.__new__(CircuitOpenError, self._facts, shut_for)
        answer = self._admit()
        if isinstance(answer, BreakerPermit):
            return answer
        try:
            wait = answer.answer.result(self._store_patience())
        except TimeoutError:
            wait = self._unanswered(answer)
        except BaseException:
            self._conclude(answer, inf)
            raise
        return self._passed(self._conclude(answer, wait))

    async def aacquire(self) -> BreakerPermit:
        """As :meth:`acquire`; where other processes are asked for a place, the event loop goes on meanwhile."""
        if self._short is not None or self._now() < self._quick_until:
            return self.acquire()
        answer = self._admit()
        if isinstance(answer, BreakerPermit):
            return answer
        try:
            if not answer.answer.done():
                asked = asyncio.wrap_future(answer.answer)
                await asyncio.wait({asked}, timeout=self._store_patience())
                asked.cancel()
            wait = answer.answer.result(0) if answer.answer.done() else self._unanswered(answer)
        except BaseException:
            self._conclude(answer, inf)
            raise
        return self._passed(self._conclude(answer, wait))

    def _store_patience(self) -> float:
        return self._verdicts.patience if self._verdicts is not None else 0.0

    def _unanswered(self, question: Question) -> Answer:
        question.answer.cancel()
        if self._verdicts is not None:
            self._verdicts.lost()
        return None

    def _admit(self) -> BreakerPermit | Question:
        if self._mirror is not None:
            self._adopt(self._mirror)
        with self._lock:
            answer = self._decide(self._now())
        if isinstance(answer, Question) and self._verdicts is not None:
            settings = self.settings
            asked = self._verdicts.ask(
                str(self.name), answer.lease, settings.half_open_max_calls, settings.half_open_timeout
            )
            answer = answer._replace(answer=asked)
        return answer if isinstance(answer, Question) else self._passed(answer)

    def _passed(self, answer: BreakerPermit | CircuitOpenError) -> BreakerPermit:
        self._teller.tell()
        if isinstance(answer, CircuitOpenError):
            raise answer
        return answer

    def _decide(self, now: float) -> BreakerPermit | Question | CircuitOpenError:
        if self._override is Override.ISOLATED:
            return self._refusal("isolated", None, "a person closed it off")
        state = self._state.name
        if self._override is not None or state == CLOSED:
            return self._permit(now, probe=False)
        trial = self._trial
        if trial is None or now < self._shut_until:
            return self._refusal(OPEN, self._shut_until - now, self._reason)
        if state == HALF_OPEN and now >= trial.until:
            if trial.inside:
                self._move(OPEN, "its probes gave no verdict in time")
                return self._refusal(OPEN, self._shut_until - now, self._reason)
            trial.begin(now)  # nobody came meanwhile
        if not trial.has_place():
            return self._refusal(state, max(0.0, trial.until - now), "its probes are under way")
        trial.inside += 1
        if self._verdicts is not None:
            return Question(trial, secrets.token_hex(8), Future())
        return self._probe(now)

    def _probe(self, now: float, lease: str | None = None) -> BreakerPermit:
        if self._state.name == OPEN:
            self._move(HALF_OPEN, "its rest is over")
        if lease is not None:
            self._leases.add(lease)
        return self._permit(now, probe=True, lease=lease)

    def _permit(self, now: float, *, probe: bool, lease: str | None = None) -> BreakerPermit:
        if BreakerAdmitted in self._teller.wanted:
            self._teller.note(BreakerAdmitted, generation=self._generation, probe=probe)
        return BreakerPermit(self, self._generation, probe, now, lease)

    def _refusal(self, state: str, retry_after: float | None, why: str) -> CircuitOpenError:
        next(self._refused)
        if BreakerRefused in self._teller.wanted:
            told: dict[str, Any] = {"state": state, "why": why, "retry_after": retry_after}
            self._teller.note(BreakerRefused, generation=self._generation, **told)
        return CircuitOpenError.__new__(
            CircuitOpenError, Refusal(str(self.name), state, self._opened_at, why), retry_after
        )

    def _conclude(self, question: Question, wait: Answer) -> BreakerPermit | CircuitOpenError:
        """Take in what the common store said about a place; None where it said nothing and ours alone counts."""
        with self._lock:
            now = self._now()
            if self._trial is question.trial and not wait:
                return self._probe(now, question.lease)
            self._give_back(question.lease)
            if self._trial is question.trial:
                question.trial.inside -= 1
                if self._state.name == OPEN and wait is not None and wait < inf:
                    self._shut_until = now + wait
                    self._look()
                return self._refusal(self._state.name, wait, "others probe it, or did so in vain")
            # It has moved on while the store was asked.
            if self._state.name == CLOSED and self._override is not Override.ISOLATED:
                return self._permit(now, probe=False)
            return self._refusal(self._state.name, max(0.0, self._shut_until - now), self._reason)

    # Settlement

    def judge(self, error: BaseException | None) -> Outcome:
        """Return what ``error`` (None for a good end) says about the other side, by ``ignore`` and ``record``."""
        kind = type(error)
        known = self._judged.get(kind)
        if known is not None:
            return known
        outcome = judge(error, self.settings.record, self._excluded_exceptions)
        if self._by_kind and len(self._judged) < 100:  # rules that are all classes say the same of a kind every time
            self._judged[kind] = outcome
        return outcome

    def _ended_badly(self, window: Window, started: float, error: BaseException) -> None:
        """Settle a call that took the short way and raised, which costs the caller as little as may be."""
        now = self._now()
        known = self._judged.get(type(error)) is Outcome.FAILED
        if not known or now - started > self._patience or self._teller.wanted:
            BreakerPermit(self, window.generation, False, started).settle(error)
            return
        with self._lock:
            if window is self._window:
                reason = self._rule.reason(*window.add(True, False, now), window.row)
                if reason:
                    self._open_for(reason)
            else:
                self._late += 1
        if self._teller.news:
            self._teller.tell()

    def settle(self, permit: BreakerPermit, outcome: Outcome, error: BaseException | None) -> None:
        """Count what came of a permit: once, and only if the breaker has not moved on since it was taken."""
        now = self._now()
        took = now - permit.started
        window = self._short
        good = outcome is Outcome.GOOD and took <= self._patience and not permit.settled
        if good and window is not None and permit.generation == window.generation:
            permit.settled = True
            number = next(window.numbers)
            if number == window.decisive or now >= window.turn:
                self._consider(window, number, now)
            return
        late = outcome is not Outcome.IGNORED and self.call_timeout is not None and took > self.call_timeout
        failed = late or outcome is Outcome.FAILED
        row = 0
        if self._mirror is not None and outcome is not Outcome.IGNORED and permit.generation == self._generation:
            if failed:
                row = self._mirror.count_failure()
            else:
                self._mirror.count_success(permit.probe)
        with self._lock:
            if permit.settled:
                return
            permit.settled = True
            if permit.lease is not None:
                self._give_back(permit.lease)
            if failed and error is None:
                error = TimeoutError(f"it took {took:.3f} s") if late else RuntimeError("the result says so")
            slow = late or self._rule.is_slow(took)
            if self._teller.wanted and self._override is not Override.DISABLED:
                self._tell_end(outcome, failed, slow, took, error)
            self._vote(permit, outcome, failed, slow, now, row)
            if not failed and outcome is Outcome.GOOD and BreakerSucceeded in self._teller.wanted:
                self._teller.note(BreakerSucceeded, generation=permit.generation, seconds=took)
        self._teller.tell()

    def _tell_end(self, outcome: Outcome, failed: bool, slow: bool, took: float, error: BaseException | None) -> None:
        # As with pybreaker, a failure is told before the move it causes, and a success after it.
        note, wanted = self._teller.note, self._teller.wanted
        known: dict[str, Any] = {"generation": self._generation, "seconds": took}
        if outcome is Outcome.IGNORED:
            if BreakerIgnored in wanted:
                note(BreakerIgnored, error=error, **known)
            return
        if slow and BreakerSlow in wanted:
            note(BreakerSlow, **known)
        if failed and BreakerFailed in wanted:
            note(BreakerFailed, (error,), error=error, **known)

    def _vote(self, permit: BreakerPermit, outcome: Outcome, failed: bool, slow: bool, now: float, row: int) -> None:
        if permit.generation != self._generation:
            self._late += 1
            return
        trial = self._trial if permit.probe else None
        if trial is not None:
            trial.inside -= 1
        if outcome is Outcome.IGNORED:
            self._ignored += 1
        elif self._override is Override.DISABLED:
            return
        elif trial is not None:
            self._judge_probe(trial, failed, slow)
        elif failed or slow:
            calls, bad, slow_calls = self._window.add(failed, slow, now)
            self._open_for(self._rule.reason(calls, bad, slow_calls, max(row, self._window.row) if failed else 0))
        else:
            number = next(self._window.numbers)
            if number == self._window.decisive or now >= self._window.turn:
                self._consider(self._window, number, now)

    def _consider(self, window: Window, number: int, now: float) -> None:
        """A good call makes a rate where there was none, or ends a slice: both can be what opens the breaker."""
        with self._lock:
            if window is self._window:
                if now >= window.turn:
                    window.turn_to(number, now)
                self._open_for(self._rule.reason(*window.tally(now), 0))
            elif number > window.last:
                self._late += 1
        self._teller.tell()

    def _open_for(self, reason: str) -> None:
        if reason and self._override is None:
            self._move(OPEN, reason)

    def _judge_probe(self, trial: Trial, failed: bool, slow: bool) -> None:
        self._past[0 if not failed else 1] += 1
        self._past[2] += slow
        verdict, why = trial.judge(failed, slow, self._rule, self._success_threshold)
        if verdict is not Verdict.WAIT:
            self._move(CLOSED if verdict is Verdict.CLOSE else OPEN, why)
