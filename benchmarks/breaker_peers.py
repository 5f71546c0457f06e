"""The breakers that are measured and probed side by side, each made alike: so many failures in a row open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from unittest import mock

Decorate = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class Peer:
    """One library's breaker.

    Attributes:
        name: of its package.
        make: from failures, seconds of rest and an ignored error (or None) to a decorator of plain functions.
        amake: the same for coroutine functions; None where it has nothing for them.
        wall: the modules whose ``datetime`` or ``time`` it rests by, if it goes by the wall clock.
        ignores: whether it can be told to ignore an error.
    """

    name: str
    make: Callable[[int, float, type[Exception] | None], Decorate] | None
    amake: Callable[[int, float, type[Exception] | None], Decorate] | None
    wall: tuple[str, ...] = ()
    ignores: bool = True

    @contextmanager
    def an_hour_ago(self) -> Iterator[None]:
        """Set the wall clock back while the block runs, as far as this breaker can see."""

        class Earlier(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) - timedelta(hours=1)

            @classmethod
            def utcnow(cls) -> Any:
                return datetime.utcnow() - timedelta(hours=1)  # noqa: DTZ003

        import time

        real = time.time
        patches = [mock.patch(f"{module}.datetime", Earlier) for module in self.wall if module != "time"]
        if "time" in self.wall:
            patches.append(mock.patch("time.time", side_effect=lambda: real() - 3600))
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()


def _ours(**more: Any) -> Any:
    def make(failures: int, rest: float, ignored: type[Exception] | None) -> Any:
        from tradecore.resilience import CircuitBreaker

        options = {"minimum_calls": 10**6, "call_timeout": None, **more}
        ignore = [ignored] if ignored else []
        return CircuitBreaker("b", consecutive=failures, reset_timeout=rest, ignore=ignore, **options)

    return make


def _pybreaker(failures: int, rest: float, ignored: type[Exception] | None) -> Any:
    return import_module("pybreaker").CircuitBreaker(failures, rest, exclude=[ignored] if ignored else [])


def _purgatory(factory: str) -> Any:
    def make(failures: int, rest: float, ignored: type[Exception] | None) -> Any:
        made = getattr(import_module("purgatory"), factory)(failures, rest, exclude=[ignored] if ignored else [])
        return made("b")

    return make


def _aiobreaker(failures: int, rest: float, ignored: type[Exception] | None) -> Any:
    make = import_module("aiobreaker").CircuitBreaker
    return make(failures, timedelta(seconds=rest), exclude=[ignored] if ignored else [])


def _circuitbreaker(failures: int, rest: float, ignored: type[Exception] | None) -> Any:
    counted = (lambda kind, _: not issubclass(kind, ignored)) if ignored else Exception
    return import_module("circuitbreaker").CircuitBreaker(failures, rest, counted)


def _hyx(failures: int, rest: float, ignored: type[Exception] | None) -> Any:
    make = import_module("hyx.circuitbreaker").consecutive_breaker
    return make(failure_threshold=failures, recovery_time_secs=rest, recovery_threshold=1)


def pyresilience(failures: int, rest: float, ignored: type[Exception] | None, **more: Any) -> Any:
    """Make pyresilience's, with a window if ``more`` says so."""
    package = import_module("pyresilience")
    config = package.CircuitBreakerConfig(
        failure_threshold=failures,
        recovery_timeout=rest,
        success_threshold=1,
        ignore_on=(ignored,) if ignored else (),
        **more,
    )
    return package.resilient(circuit_breaker=config)


OURS = Peer("tradecore", _ours(), _ours())
OURS_BY_RATE = Peer("tradecore", _ours(minimum_calls=10), _ours(minimum_calls=10))
PEERS = (
    Peer("pybreaker", _pybreaker, None, ("pybreaker",)),
    Peer("purgatory", _purgatory("SyncCircuitBreakerFactory"), _purgatory("AsyncCircuitBreakerFactory"), ("time",)),
    Peer("aiobreaker", _aiobreaker, _aiobreaker, ("aiobreaker.circuitbreaker", "aiobreaker.state")),
    Peer("circuitbreaker", _circuitbreaker, _circuitbreaker),
    Peer("hyx", None, _hyx, ("hyx.circuitbreaker.states",), ignores=False),
    Peer("pyresilience", pyresilience, pyresilience),
)
