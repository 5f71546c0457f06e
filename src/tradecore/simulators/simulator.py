"""What every simulated broker shares: one exchange behind one lock, time, faults, counters, and its own true books."""

from __future__ import annotations

import copy
import heapq
import itertools
import threading
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any, Literal

from ..brokers.transport import Incoming, Outgoing
from ..clock import Clock, SystemClock
from ..errors import ConfigurationError
from ..trading.exact import decimal
from .answers import Answer
from .books import COUNTERS, books
from .exchange.bars import LISTINGS, Listing, Market
from .exchange.engine import Exchange
from .exchange.ledger import Ledger
from .exchange.tickets import SimulatedOrder
from .faults import CallName, Fault, FaultPlan, Faults, Misbehaving
from .in_process import AsyncInProcessTransport, InProcessTransport

__all__ = ["Route", "Simulator"]

_ANSWERED = frozenset({"error_before", "throttled", "unauthorized", "penalty", "locked", "evicted"})
"""Faults that answer in the place of the broker, which processes nothing."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request belongs.

    Attributes:
        call: its kind, for faults.
        name: what it is counted as.
        key: the very call, for the draws of faults: a client order id, else the path.
        act: does it and returns the answer.
    """

    call: CallName
    name: str
    key: str
    act: Callable[[], Incoming]


class Simulator(Misbehaving, ABC):
    """A broker that lives in this process, on real daily bars, and misbehaves when told to.

    It is thread-safe: requests are answered one at a time.

    Args:
        clock: its time; the machine's when left out. Delays, lags, rate windows and time stamps follow it; the market
            does not, unless ``day_seconds`` is given.
        seed: of ids, partial fills and the fault plan.
        faults: a plan or its name: ``none``, ``normal``, ``hostile``.
        profile: ``unique`` refuses a client order id it has seen; ``loose`` makes another order of it.
        cash: what the account starts with.
        multiplier: buying power per dollar of equity; 1 is a cash account.
        shorting: whether the account may sell short.
        day: the market stands at the open of the first trading day on or after it (1999-01-04 to 2018-12-31).
        day_seconds: seconds of the clock a session takes; the market stands still when left out.
    """

    name = ""
    futures = False
    lacks: frozenset[str] = frozenset()
    """Faults this broker does not have."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int = 0,
        faults: str | FaultPlan | None = None,
        profile: Literal["unique", "loose"] = "unique",
        cash: Decimal | int | str = "1000000",
        multiplier: Decimal | int | str = 1,
        shorting: bool = True,
        day: date | str = "2018-12-31",
        day_seconds: float | None = None,
    ) -> None:
        """Open the account and the market."""
        if profile not in ("unique", "loose"):
            raise ConfigurationError(f"there is no profile named {profile!r}; there are unique, loose")
        self.clock: Clock = clock or SystemClock()
        self.seed = seed
        self.profile = profile
        self.market = Market(self._listings(day))
        self._cash, self._multiplier = decimal(cash), decimal(multiplier)
        self._shorting, self._first_day, self._day_seconds = shorting, day, day_seconds
        self._lock = threading.RLock()
        self._numbers = itertools.count()
        self.faults = Faults(faults, seed, lacks=self.lacks)
        self.reset()

    def reset(self) -> None:
        """Start again: no orders, the first day's cash, counters at zero, armed faults forgotten, the plan kept."""
        with self._lock:
            self.faults = Faults(self.faults.plan, self.seed, lacks=self.lacks)
            self.counters: Counter[str] = Counter()
            self.requests_by_kind: Counter[str] = Counter()
            self._random = Random(f"{self.seed}|{self.clock.now().isoformat()}")
            self._due: list[tuple[float, int, Callable[[], None]]] = []
            self._hidden: dict[str, float] = {}
            self._odd_words: dict[str, list[str]] = {}
            self._next_portion: dict[str, Fault] = {}
            self._started = self.clock.monotonic()
            self.exchange = Exchange(
                self.market,
                Ledger(self._cash, self._multiplier, turns=self.futures),
                day=self._first_day,
                now=self.clock.now,
                mint=self._mint,
                shorting=self._shorting,
                futures=self.futures,
                portion=self._portion,
                pause=self._rest,
            )
            self._first_number = self.exchange.number

    def _listings(self, day: date | str) -> Mapping[str, Listing]:  # noqa: ARG002  (contracts depend on it)
        """Return what trades from ``day`` on."""
        return LISTINGS

    # --- the wire

    def answer(self, request: Outgoing) -> Answer:
        """Take a request and say what becomes of it. Never waits: who carries the answer does."""
        with self._lock:
            self._catch_up()
            route = self._route(request)
            fault = self.faults.next(route.call, route.key)
            if fault and fault.name == "refused":
                self.counters["refused"] += 1
                return Answer(None, cut="refused")
            self.counters["requests"] += 1
            self.requests_by_kind[route.name] += 1
            self.counters["posts"] += route.name == "place"
            if fault and fault.name == "request_lost":
                self.counters["requests_lost"] += 1
                return Answer(None, cut="request_lost")
            refused = self._gate(request)
            if refused is not None:
                return Answer(self._counted(refused))
            return self._strike(fault, route)

    def respond(self, request: Outgoing) -> Incoming:
        """Answer a request at once.

        Raises:
            Unsent: the fault "refused connection".
            Lost: a lost request or reply, a late acceptance, or an answer slower than the request's time-out.
        """
        return self.answer(request).give(self.clock, request.timeout)

    def transport(self) -> InProcessTransport:
        """Return a transport for a :class:`~tradecore.brokers.BrokerClient`, without a socket."""
        return InProcessTransport(self)

    def async_transport(self) -> AsyncInProcessTransport:
        """Return a transport for an :class:`~tradecore.brokers.AsyncBrokerClient`, without a socket."""
        return AsyncInProcessTransport(self)

    def _strike(self, fault: Fault | None, route: Route) -> Answer:
        name = fault.name if fault else ""
        details = fault.details if fault else {}
        if fault and name in _ANSWERED:
            return Answer(self._counted(self._misanswer(fault)))
        if name == "late":
            self.counters["late"] += 1
            self._later(float(details["seconds"]), lambda: self._accept_late(route))
            return Answer(None, cut="late")
        reply = route.act()
        if fault and name in ("truncated", "duplicate_id") and not self._succeeded(reply):
            self.faults.missed(fault)
            return Answer(self._counted(reply))
        if fault and name in ("error_after", "duplicate_id"):
            return Answer(self._counted(self._misanswer(fault)))
        if name == "reply_lost":
            self.counters["replies_lost"] += 1
            return Answer(None, cut="reply_lost")
        if name == "truncated":
            self.counters["truncated"] += 1
            reply = replace(reply, content=reply.content[: len(reply.content) // 2])
        if name == "slow":
            self.counters["slow"] += 1
        delay = float(details["seconds"]) if name == "slow" else 0.0
        return Answer(self._counted(reply), delay=delay)

    def _counted(self, reply: Incoming) -> Incoming:
        if reply.status >= 500:
            self.counters["http_5xx"] += 1
        elif reply.status in (401, 429):
            self.counters[f"http_{reply.status}"] += 1
        return reply

    def _accept_late(self, route: Route) -> None:
        accepted = self._succeeded(route.act())
        self.counters["late_accepted" if accepted else "late_refused"] += 1

    def _succeeded(self, reply: Incoming) -> bool:
        """Return whether an answer says that the request was carried out."""
        return reply.status == 200

    @abstractmethod
    def _route(self, request: Outgoing) -> Route:
        """Say where a request belongs."""

    @abstractmethod
    def _gate(self, request: Outgoing) -> Incoming | None:
        """Return the refusal of a request without credentials or beyond the rate limit, or None."""

    @abstractmethod
    def _misanswer(self, fault: Fault) -> Incoming:
        """Return the answer that one of the faults of the answer gives."""

    # --- time

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.clock.monotonic() + seconds, next(self._numbers), action))

    def _catch_up(self) -> None:
        """Do what has become due by the clock, in order."""
        now = self.clock.monotonic()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        if self._day_seconds:
            self._run_to((now - self._started) / self._day_seconds)

    def _run_to(self, sessions: float) -> None:
        last = len(self.market) - 1
        target = min(self._first_number + int(sessions), last)
        if target > self.exchange.number:
            self.exchange.advance(target - self.exchange.number)
        if self._first_number + int(sessions) > last:
            self.exchange.close_session()
        elif self.exchange.is_open:
            self.exchange.move_to(sessions - int(sessions))

    # --- partial fills

    def _portion(self, order: SimulatedOrder, remaining: Decimal) -> Decimal:
        if remaining < 2:
            return remaining
        fault = self.faults.also("partial", "order", order.client_order_id)
        if fault is None:
            return remaining
        self._next_portion[order.id] = fault
        wanted = fault.details.get("quantity")
        return decimal(wanted) if wanted is not None else Decimal(self._random.randint(1, int(remaining) - 1))

    def _rest(self, order: SimulatedOrder) -> None:
        seconds = float(self._next_portion.pop(order.id).details.get("seconds", 1.0))
        self._later(seconds, lambda: self.exchange.release(order))

    # --- the market, moved from outside

    def advance_days(self, days: int = 1) -> date:
        """Finish this session and open the next, ``days`` times; returns the new day.

        Raises:
            ValueError: when the bars end before; the market is then closed for good.
        """
        with self._lock:
            self._catch_up()
            self.exchange.advance(days)
            return self.exchange.day

    def set_day(self, day: date | str) -> date:
        """Move to the open of the first trading day on or after ``day``, through every day between.

        Raises:
            ValueError: for a day in the market's past, or past the bars.
        """
        with self._lock:
            number = self.market.index(day)
            if number < self.exchange.number:
                raise ValueError(f"the market stands on {self.exchange.day.isoformat()} and does not go back")
            return self.advance_days(number - self.exchange.number)

    def close_market(self) -> None:
        """Finish this session; the market is closed until it is moved to the next day."""
        with self._lock:
            self._catch_up()
            self.exchange.close_session()

    # --- the truth

    @property
    def day(self) -> date:
        """The trading day the market stands on."""
        return self.exchange.day

    @property
    def orders(self) -> list[SimulatedOrder]:
        """Copies of every order there is, hidden from look-ups or not, oldest first."""
        with self._lock:
            self._catch_up()
            return [copy.copy(order) for order in self.exchange.orders.values()]

    def books(self) -> dict[str, Any]:
        """Return the true books as plain JSON values: see :mod:`tradecore.simulators.books`."""
        with self._lock:
            self._catch_up()
            return {
                "broker": self.name,
                "profile": self.profile,
                "seed": self.seed,
                "plan": self.faults.plan.name,
                **books(self.exchange),
                "counters": {
                    **dict.fromkeys(COUNTERS, 0),
                    **self.counters,
                    "requests_by_kind": dict(self.requests_by_kind),
                },
                "faults_fired": dict(self.faults.fired),
                "pending": len(self._due),
            }

    # --- small things

    def _mint(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def __repr__(self) -> str:
        """Say what it is and where it stands."""
        return (
            f"<{type(self).__name__} {self.profile} seed={self.seed} faults={self.faults.plan.name} "
            f"day={self.exchange.day.isoformat()} orders={len(self.exchange.orders)}>"
        )
