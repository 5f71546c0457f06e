"""Looks at the probes: in parallel, each once at a time and within its time, in both colours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any, cast

from ..clock import Clock, SystemClock
from ..errors import ConfigurationError
from ..flow import AsyncPerform, Flow, Perform, arun, run
from .probes import Finding, Probe, Reading, Watch
from .report import Kind, Report

__all__ = ["AsyncHealth", "Health"]

# A hung socket does not wait for a simulated clock: time boxes run on the machine's.
_MACHINE = SystemClock()
_STOPPING = Reading("accepting", "unhealthy", True, "no requests are taken: it starts or shuts down")


class _Board:
    """What both colours share: the probes, whom to ask for which report, and how a report is put together."""

    def __init__(self, probes: Iterable[Probe], clock: Clock | None) -> None:
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._started = self._clock.monotonic()
        self._watches: tuple[Watch, ...] = ()
        for probe in probes:
            self._watch(probe)

    def _watch(self, probe: Probe) -> None:
        if any(watch.probe.name == probe.name for watch in self._watches):
            raise ConfigurationError(f"there is already a probe named {probe.name!r}")
        self._watches = (*self._watches, Watch(probe, self._clock))

    def _asked(self, kind: Kind) -> tuple[Watch, ...]:
        if kind == "live":
            return ()  # the process only: a shared outage must not restart every instance
        return tuple(watch for watch in self._watches if kind == "all" or watch.probe.ready)

    def _report(self, kind: Kind, readings: Iterable[Reading]) -> Report:
        return Report.of(
            kind,
            tuple(readings),
            watched=frozenset(watch.probe.name for watch in self._watches),
            uptime=self._clock.monotonic() - self._started,
            timestamp=self._clock.now(),
        )

    def _left(self, watch: Watch, since: float) -> float:
        return max(0.0, since + self._clock.real(watch.probe.timeout) - _MACHINE.monotonic())

    def __repr__(self) -> str:
        """Name the probes."""
        return f"{type(self).__name__}({', '.join(watch.probe.name for watch in self._watches)})"


class _Flight:
    """One look under way."""

    __slots__ = ("landed", "loop", "overdue")

    def __init__(self, landed: Any, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.landed = landed
        self.loop = loop
        self.overdue = False


class Health(_Board):
    """The health of a service, for threads.

    Each look runs in a daemon thread of its own: one that hangs holds up neither the report nor the process's end,
    and no second one is started while it hangs.

    Args:
        probes: what to look at.
        perform: performs the effects of checks that are flows.
        clock: tells ages and the time of the report.
    """

    def __init__(self, probes: Iterable[Probe] = (), *, perform: Perform, clock: Clock | None = None) -> None:
        """Watch ``probes``; nothing is looked at before the first report."""
        super().__init__(probes, clock)
        self._perform = perform
        self._lock = threading.Lock()

    def add(self, probe: Probe) -> None:
        """Watch one more.

        Raises:
            ConfigurationError: if the name is taken, or the check is async.
        """
        with self._lock:
            self._watch(probe)

    def _watch(self, probe: Probe) -> None:
        if inspect.iscoroutinefunction(probe.check):
            raise ConfigurationError(f"the check of {probe.name!r} is async: that takes AsyncHealth")
        super()._watch(probe)

    def report(self, kind: Kind = "ready", *, accepting: bool = True) -> Report:
        """Look where the last finding is too old, and report.

        Args:
            kind: ``live`` looks at nothing, ``ready`` at what takes part in readiness, ``all`` at everything.
            accepting: False while the service starts or shuts down: nothing is looked at, and the answer is unhealthy
                (except for ``live``).
        """
        watches = self._asked(kind)
        if accepting:
            self._look(watches)
        with self._lock:
            readings = [watch.reading() for watch in watches]
        return self._report(kind, readings if accepting or kind == "live" else [*readings, _STOPPING])

    def _look(self, watches: tuple[Watch, ...]) -> None:
        since = _MACHINE.monotonic()
        with self._lock:
            flights = [(watch, self._depart(watch)) for watch in watches if not watch.fresh]
        for watch, flight in flights:
            if not flight.landed.wait(self._left(watch, since)):
                with self._lock:
                    if watch.flight is flight and not flight.overdue:
                        flight.overdue = True
                        watch.settle(watch.overdue())

    def _depart(self, watch: Watch) -> _Flight:
        if watch.flight is None:
            watch.flight = _Flight(threading.Event())
            name = f"tradecore-health-{watch.probe.name}"
            threading.Thread(target=self._fly, args=(watch, watch.flight), name=name, daemon=True).start()
        elif watch.flight.overdue:  # hangs since an earlier report: nobody waits for it again
            watch.settle(watch.overdue())
            return _Flight(_LANDED)
        return cast(_Flight, watch.flight)

    def _fly(self, watch: Watch, flight: _Flight) -> None:
        try:
            finding = self._ask(watch.probe)
        except BaseException as error:  # a thread of ours: there is nobody above who could want it
            finding = watch.failed(error)
        with self._lock:
            watch.flight = None
            if not flight.overdue:  # an answer that came too late is no answer: the reports have waited in vain
                watch.settle(finding)
        flight.landed.set()

    def _ask(self, probe: Probe) -> Finding:
        answer = probe.check()
        if isinstance(answer, Generator):
            return run(answer, self._perform)
        return _found(answer)


class AsyncHealth(_Board):
    """The health of a service, for an event loop.

    Flows and async checks run as tasks, cancelled when their time is over; plain functions run in daemon threads,
    since they may block.

    Args:
        probes: what to look at.
        perform: performs the effects of checks that are flows.
        clock: tells ages and the time of the report.
    """

    def __init__(self, probes: Iterable[Probe] = (), *, perform: AsyncPerform, clock: Clock | None = None) -> None:
        """Watch ``probes``; nothing is looked at before the first report."""
        super().__init__(probes, clock)
        self._perform = perform

    def add(self, probe: Probe) -> None:
        """Watch one more.

        Raises:
            ConfigurationError: if the name is taken.
        """
        self._watch(probe)

    async def report(self, kind: Kind = "ready", *, accepting: bool = True) -> Report:
        """Look where the last finding is too old, and report.

        Args:
            kind: ``live`` looks at nothing, ``ready`` at what takes part in readiness, ``all`` at everything.
            accepting: False while the service starts or shuts down: nothing is looked at, and the answer is unhealthy
                (except for ``live``).
        """
        watches = self._asked(kind)
        if accepting:
            await self._look(watches)
        readings = [watch.reading() for watch in watches]
        return self._report(kind, readings if accepting or kind == "live" else [*readings, _STOPPING])

    async def _look(self, watches: tuple[Watch, ...]) -> None:
        since = _MACHINE.monotonic()
        flights = [(watch, self._depart(watch)) for watch in watches if not watch.fresh]
        for watch, flight in flights:
            if flight is None:
                continue
            done, _ = await asyncio.wait({flight.landed}, timeout=self._left(watch, since))
            if not done and watch.flight is flight and not flight.overdue:
                flight.overdue = True
                flight.landed.cancel()
                watch.settle(watch.overdue())

    def _depart(self, watch: Watch) -> _Flight | None:
        loop = asyncio.get_running_loop()
        if watch.flight is None or watch.flight.loop is not loop:  # a flight of a loop that is gone never lands
            flight = watch.flight = _Flight(None, loop)
            flight.landed = loop.create_task(self._fly(watch, flight))
        elif watch.flight.overdue:  # hangs since an earlier report: nobody waits for it again
            watch.settle(watch.overdue())
            return None
        return cast(_Flight, watch.flight)

    async def _fly(self, watch: Watch, flight: _Flight) -> None:
        try:
            finding = await self._ask(watch.probe)
        except Exception as error:
            finding = watch.failed(error)
        finally:
            if watch.flight is flight:
                watch.flight = None
        if not flight.overdue:
            watch.settle(finding)

    async def _ask(self, probe: Probe) -> Finding:
        answer: Any = probe.check() if _returns_at_once(probe.check) else await _threaded(probe.check)
        if isinstance(answer, Generator):
            return await arun(cast("Flow[Finding]", answer), self._perform)
        return _found(await answer if inspect.isawaitable(answer) else answer)


_LANDED = threading.Event()
_LANDED.set()


def _found(answer: object) -> Finding:
    if not isinstance(answer, Finding):
        raise TypeError(f"a health check returns a Finding, not {type(answer).__name__}")
    return answer


def _returns_at_once(check: Callable[..., object]) -> bool:
    while isinstance(check, functools.partial):
        check = check.func
    return inspect.isgeneratorfunction(check) or inspect.iscoroutinefunction(check)


async def _threaded(check: Callable[[], object]) -> object:
    # Not the loop's executor: its threads are joined at the process's end, and a check that hangs would hold it up.
    loop = asyncio.get_running_loop()
    future: asyncio.Future[object] = loop.create_future()

    def deliver(settle: Callable[[Any], None], value: object) -> None:
        if not future.done():
            settle(value)

    def body() -> None:
        settle: Callable[[Any], None] = future.set_result
        try:
            value: object = check()
        except Exception as error:
            value, settle = error, future.set_exception
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now; then nobody waits
            loop.call_soon_threadsafe(deliver, settle, value)

    threading.Thread(target=body, name="tradecore-health", daemon=True).start()
    return await future
