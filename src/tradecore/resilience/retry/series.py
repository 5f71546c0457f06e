"""What one failing call has been through, and whether it may be made again. Decides; neither waits nor calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, cast

from tenacity import RetryCallState, Retrying, TryAgain

from ...clock import Clock
from ...hooks import Hooks
from ..deadline import fits
from ..happenings import BudgetExhausted, RetryDecided, RetryEnded, RetryReason
from .backoff import asked_wait
from .budget import RetryBudget
from .committing import is_refusal, may_have_happened

__all__ = ["OUTERMOST", "Rules", "Series", "is_nested"]

NOTE = "tradecore: given up after "

# A list that is [True] while the outermost retry of this stack is under way. Tasks started meanwhile inherit the list,
# and with it the news that it has ended: one that lives on may retry again. So it is never put back, only replaced.
OUTERMOST: ContextVar[list[bool] | None] = ContextVar("tradecore_retry", default=None)


def is_nested() -> bool:
    """Return whether a retry further out is under way, which alone retries."""
    outer = OUTERMOST.get()
    return outer is not None and outer[0]


class Rules(Protocol):
    """What a series needs of its policy."""

    name: str
    clock: Clock
    hooks: Hooks | None
    budget: RetryBudget | None
    retry_after_cap: float
    retrying: Retrying

    def names(self, refusal: BaseException) -> bool:
        """Return whether the policy names this kind of refusal among what it retries."""
        ...


class Series:
    """The attempts of one call, from the first that failed.

    Args:
        policy: the rules.
        function: what is called, for tenacity's strategies.
        args: with what.
        kwargs: with what.
        began: when the first attempt began, where somebody asks; else now.
        repeatable: whether a repeat is harmless even if the call was done, by its client id.
        final: whether the first attempt is the only one, whatever comes of it.
    """

    def __init__(
        self,
        policy: Rules,
        function: Callable[..., Any] | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        began: float | None = None,
        repeatable: bool = False,
        final: bool = False,
    ) -> None:
        """Begin."""
        self._policy = policy
        self._repeatable = repeatable
        self._final = final
        self._state = RetryCallState(policy.retrying, function, args, dict(kwargs or {}))
        self._state.start_time = policy.clock.monotonic() if began is None else began

    @property
    def function(self) -> Callable[..., Any]:
        """What is called."""
        return cast("Callable[..., Any]", self._state.fn)

    @property
    def args(self) -> tuple[Any, ...]:
        """With what."""
        return cast("tuple[Any, ...]", self._state.args)

    @property
    def kwargs(self) -> dict[str, Any]:
        """With what, by name."""
        return cast("dict[str, Any]", self._state.kwargs)

    @property
    def attempts(self) -> int:
        """How many were made."""
        return self._state.attempt_number

    def after_error(self, error: Exception) -> float | None:
        """Return the seconds to wait before the next attempt, or None if the error is to be raised."""
        self._state.set_exception((type(error), error, error.__traceback__))
        if self._final or (is_refusal(error) and not self._policy.names(error)):
            return None
        # Whatever the rules say: a repeat of what may have been done is a second order.
        wanted = isinstance(error, TryAgain) or self._policy.retrying.retry(self._state)
        if wanted and may_have_happened(error) and not self._repeatable:
            return self._ended("commits", error)
        return self._next(error, error) if wanted else None

    def after_result(self, result: Any) -> float | None:
        """Return the seconds to wait before the next attempt, or None if ``result`` is to be returned."""
        self._state.set_result(result)
        wanted = not self._final and self._policy.retrying.retry(self._state)
        return self._next(result, None) if wanted else None

    def _next(self, source: Any, error: BaseException | None) -> float | None:
        policy, state = self._policy, self._state
        state.outcome_timestamp = policy.clock.monotonic()
        wait = float(policy.retrying.wait(state))
        asked = asked_wait(source, policy.clock.now())
        if asked is not None and asked > policy.retry_after_cap:
            return self._ended("retry_after", error)
        wait = state.upcoming_sleep = max(0.0, wait, asked or 0.0)
        if policy.retrying.stop(state):
            return self._ended("attempts", error)
        if not fits(wait):
            return self._ended("deadline", error)
        if policy.budget is not None and not policy.budget.spend():
            if policy.hooks is not None:
                policy.hooks.tell(BudgetExhausted(name=policy.budget.name or policy.name, error=error))
            return self._ended("budget", error)
        if policy.hooks is not None:
            policy.hooks.tell(RetryDecided(name=policy.name, attempt=self.attempts, wait=wait, error=error))
        state.idle_for += wait
        state.prepare_for_next_attempt()
        return wait

    def lost_its_slot(self, error: Exception | None) -> None:
        """The next attempt cannot be made after all."""
        self._ended("slot", error)

    def _ended(self, reason: RetryReason, error: BaseException | None) -> float | None:
        if self._policy.hooks is not None:
            name = self._policy.name
            self._policy.hooks.tell(RetryEnded(name=name, attempts=self.attempts, reason=reason, error=error))
        if error is not None:
            _annotate(error, f"{NOTE}{self.attempts} of its attempts ({_WORDS[reason]})")
        return None


_WORDS: dict[RetryReason, str] = {
    "attempts": "no more are allowed",
    "budget": "the dependency's budget of retries is used up",
    "commits": "it may have been done: look, do not repeat it",
    "deadline": "the next would begin after the deadline",
    "retry_after": "the other side asks to be left alone for longer than retry_after_cap",
    "slot": "its place in the bulkhead was taken meanwhile",
}


def _annotate(error: BaseException, note: str) -> None:
    # One error object may be raised again and again; it keeps one note, the latest.
    notes = getattr(error, "__notes__", None)
    if notes:
        notes[:] = [old for old in notes if not str(old).startswith(NOTE)]
    error.add_note(note)
