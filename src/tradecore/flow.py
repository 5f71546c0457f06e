"""Flows: logic that touches the outside, written once for sync and async. Standard library only.

A flow is a generator. It yields *effects* (a broker call, a database transaction, a pause) and is sent the answers::

    def submit(self, request: OrderRequest) -> Flow[Order]:
        reply = yield from Call("POST", "/v2/orders", body=wire(request), kind="order")
        return read(reply)

A *performer* is one callable that turns an effect into its answer; :func:`run` and :func:`arun` drive a flow with a
sync or an async one. Everything else (crash a flow, record it, trace it) is a wrapper around a performer.

Rules the tests hold:

* effects are asked with ``yield from``, so that the answer is typed;
* only an :class:`Exception` is thrown into a flow. A crash is a generator that is never resumed, a cancellation one
  that is closed: no effect inside ``finally``, no ``except BaseException``;
* a flow does not bind context variables and does not look at a clock that was not given to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    cast,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = [
    "Admit",
    "AsyncPerform",
    "Call",
    "Crash",
    "Effect",
    "Exclusive",
    "Flow",
    "Lock",
    "Pause",
    "Perform",
    "Permit",
    "Recorder",
    "Reply",
    "Work",
    "addressed",
    "arun",
    "crash_before",
    "hurried",
    "run",
    "trace",
]

A = TypeVar("A")
T = TypeVar("T")
P = ParamSpec("P")

CallKind: TypeAlias = Literal["read", "idempotent", "order"]


class Effect(Generic[A]):
    """Something a flow asks the outside for; ``answer = yield from effect``."""

    __slots__ = ()

    def __iter__(self) -> Flow[A]:
        """Yield the effect to the driver and return its answer."""
        return cast(A, (yield self))


Flow: TypeAlias = Generator[Effect[Any], object, T]


class Permit(Protocol):
    """Leave to make one call, taken before ``SENDING`` is committed."""

    def succeed(self) -> None:
        """The call was answered; the breaker may count it."""

    def fail(self, error: Exception) -> None:
        """The call failed in a way that speaks against the broker's health."""

    def give_back(self) -> None:
        """The permit was not used, or its call says nothing about health. Settling twice does nothing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, as data.

    Attributes:
        status: the HTTP status.
        body: the parsed JSON, or None where the body is empty or does not parse.
        text: the first 4,096 characters of the raw body, for evidence.
        headers: the response's headers, names in lower case.
        readable: False where a body was there and could not be parsed.
    """

    status: int
    body: Any = None
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Call(Effect[Reply]):
    """A request to a broker, as data.

    Attributes:
        method: ``GET``, ``POST``, ...
        path: the path below the broker's base address, with a leading slash.
        body: what goes out as JSON; None for no body.
        query: the query parameters.
        kind: ``read`` changes nothing; ``idempotent`` may be repeated; ``order`` commits, and its loss leaves doubt.
        to: which connection, where the performer serves several; ``""`` for its only one.
        timeout: seconds to wait for the answer; None for the transport's default.
        not_after: monotonic reading after which it must not be written any more (:class:`DeadlinePassed` then).
        permit: what :class:`Admit` answered; a call without one takes its own.
        client_order_id: the order the call is about, carried into errors.
    """

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    kind: CallKind = "read"
    to: str = ""
    timeout: float | None = None
    not_after: float | None = None
    permit: Permit | None = field(default=None, compare=False)
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Pause(Effect[None]):
    """Wait for ``seconds`` by the performer's clock."""

    seconds: float


class Work(Effect[A]):
    """One database transaction: ``fn(session, *args, **kwargs)``, committed when it returns.

    ``fn`` may run more than once (the whole unit is retried on conflict), so it is a compare-and-set, and it returns
    plain frozen values, never ORM rows.
    """

    __slots__ = ("args", "fn", "kwargs")

    def __init__(self, fn: Callable[Concatenate[Session, P], A], *args: P.args, **kwargs: P.kwargs) -> None:
        """Say what to run; nothing runs until the effect is performed."""
        self.fn: Callable[..., A] = fn
        self.args: tuple[Any, ...] = args
        self.kwargs: dict[str, Any] = kwargs

    def __call__(self, session: Session) -> A:
        """Run the unit of work in ``session``."""
        return self.fn(session, *self.args, **self.kwargs)

    def __repr__(self) -> str:
        """Name the function, not its arguments: they may hold payloads."""
        return f"<Work {getattr(self.fn, '__qualname__', self.fn)}>"


@dataclass(frozen=True, slots=True)
class Lock(Effect[Any]):
    """Ask the performer for the lock ``key``: what :class:`Exclusive` is made of. Drivers use it, flows do not.

    The answer is a context manager of the performer's colour.
    """

    key: str
    wait: float = 10.0


@dataclass(frozen=True, slots=True)
class Exclusive(Effect[A]):
    """Run ``flow()`` while nobody else runs one under the same key; the driver takes and releases the lock.

    Attributes:
        key: what is exclusive, such as ``watch:alpaca``.
        flow: makes the inner flow.
        wait: seconds to wait for the lock before :class:`~tradecore.errors.LockTimeout`.
    """

    key: str
    flow: Callable[[], Flow[A]]
    wait: float = 10.0


@dataclass(frozen=True, slots=True)
class Admit(Effect[Permit]):
    """Ask for leave to make one call: breaker, pace and bulkhead decide, before anything is committed.

    Attributes:
        kind: the kind of the call to come.
        to: which connection.
        weight: how many requests the permit is worth.
    """

    kind: CallKind = "order"
    to: str = ""
    weight: int = 1


class Perform(Protocol):
    """Turns an effect into its answer, or raises."""

    def __call__(self, effect: Effect[A], /) -> A:
        """Perform ``effect``."""
        ...


class AsyncPerform(Protocol):
    """The same, awaited."""

    def __call__(self, effect: Effect[A], /) -> Awaitable[A]:
        """Perform ``effect``."""
        ...


def run(flow: Flow[T], perform: Perform) -> T:
    """Drive ``flow`` to its end with a sync performer and return what it returns."""
    step: Callable[[Any], Effect[Any]] = flow.send
    answer: Any = None
    while True:
        try:
            effect = step(answer)
        except StopIteration as done:
            return cast(T, done.value)
        try:
            if isinstance(effect, Exclusive):
                held: AbstractContextManager[object] = perform(Lock(effect.key, effect.wait))
                with held:
                    answer = run(effect.flow(), perform)
            else:
                answer = perform(effect)
            step = flow.send
        except Exception as error:  # a BaseException leaves the flow where it is: that is a crash, not news for it
            step, answer = flow.throw, error


async def arun(flow: Flow[T], perform: AsyncPerform) -> T:
    """Drive ``flow`` to its end with an async performer and return what it returns."""
    step: Callable[[Any], Effect[Any]] = flow.send
    answer: Any = None
    while True:
        try:
            effect = step(answer)
        except StopIteration as done:
            return cast(T, done.value)
        try:
            if isinstance(effect, Exclusive):
                held: AbstractAsyncContextManager[object] = await perform(Lock(effect.key, effect.wait))
                async with held:
                    answer = await arun(effect.flow(), perform)
            else:
                answer = await perform(effect)
            step = flow.send
        except Exception as error:
            step, answer = flow.throw, error


def addressed(flow: Flow[T], to: str) -> Flow[T]:
    """Return ``flow`` with every call and admission sent to the connection ``to``; adapters need not know its name."""
    return _changed(flow, lambda effect: replace(effect, to=to) if isinstance(effect, Call | Admit) else effect)


def hurried(flow: Flow[T], not_after: float | None) -> Flow[T]:
    """Return ``flow`` with no call written after the monotonic reading ``not_after``; None leaves it as it is.

    For what is still asked while a send is committed: a call that has such a limit does not wait beyond it either.
    """
    if not_after is None:
        return flow
    return _changed(flow, lambda effect: replace(effect, not_after=not_after) if isinstance(effect, Call) else effect)


def _changed(flow: Flow[T], change: Callable[[Effect[Any]], Effect[Any]]) -> Flow[T]:
    """Return ``flow`` with what it asks for changed, under a lock too."""
    step: Callable[[Any], Effect[Any]] = flow.send
    answer: Any = None
    while True:
        try:
            effect = step(answer)
        except StopIteration as done:
            return cast(T, done.value)
        if isinstance(effect, Exclusive):
            effect = replace(effect, flow=partial(_changed_again, effect.flow, change))
        try:
            answer = yield change(effect)
            step = flow.send
        except Exception as error:
            step, answer = flow.throw, error


def _changed_again(make: Callable[[], Flow[T]], change: Callable[[Effect[Any]], Effect[Any]]) -> Flow[T]:
    return _changed(make(), change)


class Crash(BaseException):
    """The process died here. Not an :class:`Exception`: no flow may catch it."""


def crash_before(perform: Perform, effect_number: int) -> Perform:
    """Return a performer that dies right before its ``effect_number``-th effect, counted from 0."""
    count = -1

    def crashing(effect: Effect[A], /) -> A:
        nonlocal count
        count += 1
        if count == effect_number:
            raise Crash(effect)
        return perform(effect)

    return crashing


class Recorder:
    """Keeps every effect it passes on, in order; works around a sync and an async performer alike.

    Example:
        >>> record = Recorder(perform)                         # doctest: +SKIP
        >>> run(flow, record); record.effects                  # doctest: +SKIP
    """

    def __init__(self, perform: Callable[[Effect[Any]], Any]) -> None:
        """Wrap ``perform``."""
        self.effects: list[Effect[Any]] = []
        self._perform = perform

    def __call__(self, effect: Effect[A], /) -> Any:
        """Note ``effect`` and pass it on."""
        self.effects.append(effect)
        return self._perform(effect)

    @property
    def calls(self) -> list[Call]:
        """The broker calls among the effects."""
        return [effect for effect in self.effects if isinstance(effect, Call)]


def trace(perform: Perform, observe: Callable[[Effect[Any], str], None]) -> Perform:
    """Return a performer that tells ``observe`` of each effect: ``"start"``, then ``"end"`` or the error's name."""

    def traced(effect: Effect[A], /) -> A:
        observe(effect, "start")
        try:
            answer = perform(effect)
        except Exception as error:
            observe(effect, type(error).__name__)
            raise
        observe(effect, "end")
        return answer

    return traced
