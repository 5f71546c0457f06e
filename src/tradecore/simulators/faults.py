"""How a simulated broker misbehaves: by plan and seed, or by order for the next call.

Every fault has a name, the calls it can strike, and is counted in :attr:`Faults.fired` when it did strike. What a plan
draws depends only on the seed, the call and how often that very call was made, not on how calls of different orders
interleave: the third try of one order meets the same fault in every run with that seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from ..errors import ConfigurationError

__all__ = ["FAULTS", "PLANS", "CallName", "Fault", "FaultPlan", "Faults", "Misbehaving"]

CallName: TypeAlias = Literal["order", "replace", "cancel", "read", "session"]
Target: TypeAlias = Literal["order", "replace", "cancel", "read", "session", "any"]

_ALL: frozenset[str] = frozenset({"order", "replace", "cancel", "read", "session"})
_ORDER: frozenset[str] = frozenset({"order"})

FAULTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # the connection; at most one of these and of the answers strikes a call
        "refused": _ALL,  # nothing was written: no connection
        "request_lost": _ALL,  # dropped before it was processed
        "reply_lost": _ALL,  # processed, then the connection was dropped
        "late": _ORDER,  # dropped, and processed some seconds later
        # the answer
        "error_before": _ALL,  # 5xx, nothing processed
        "error_after": _ALL,  # processed, then 5xx
        "throttled": _ALL,  # 429 although the window has room; nothing processed
        "unauthorized": _ALL,  # 401; nothing processed
        "slow": _ALL,  # processed, and the answer takes its time: too long for some callers
        "truncated": _ALL,  # processed, and the 200 breaks off in the middle
        "duplicate_id": _ORDER,  # processed, but answered as a duplicate: a proxy sent it twice
        # the session, where a broker has one; see ``Simulator.lacks``
        "penalty": _ALL,  # 200 with a ticket and a waiting time; nothing processed
        "locked": _ALL,  # 423, and then 429 for as long as anything is sent within the hour; nothing processed
        "evicted": _ALL,  # the session was closed for another one: 408; nothing processed
        # the order; these strike besides the others
        "second_refused": _ORDER,  # a known id is refused for want of buying power, not as a duplicate
        "lagging": _ORDER,  # look-ups by client id and lists do not show the order for some seconds
        "unknown_status": _ORDER,  # the next look at the order shows a status nobody has heard of
        "rejected_later": _ORDER,  # accepted, then rejected
        "partial": _ORDER,  # a fill happens in two parts
        "change_refused": frozenset({"replace"}),  # a change is taken, and then refused
        "slow_cancel": frozenset({"cancel"}),  # stays pending_cancel for some seconds, and may fill
    }
)
"""Every fault, and the calls it can strike."""

ALONE = 0.2
"""How often a fault strikes, of the calls it can, in the plan that bears its name."""

_EXCLUSIVE = tuple(list(FAULTS)[: list(FAULTS).index("second_refused")])


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often each fault strikes.

    Attributes:
        name: what it is called.
        rates: fault name to probability per call it can strike; a fault that is missing never strikes.
        reads: factor for the rates of calls that only read.
        seconds: shortest and longest duration, in seconds of the simulator's clock, of the faults that have one.
    """

    name: str
    rates: Mapping[str, float] = field(default_factory=dict)
    reads: float = 0.5
    seconds: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {
            "slow": (0.2, 14.0),
            "late": (1.0, 8.0),
            "lagging": (0.5, 5.0),
            "partial": (1.0, 5.0),
            "penalty": (1.0, 15.0),
            "slow_cancel": (0.5, 3.0),
        }
    )

    def __post_init__(self) -> None:
        """Refuse names that are no fault and rates that are no probability."""
        problems = [f"there is no fault named {name!r}" for name in self.rates if name not in FAULTS]
        problems += [f"the rate of {name} must be between 0 and 1" for name, r in self.rates.items() if not 0 <= r <= 1]
        if problems:
            raise ConfigurationError.of(problems)

    @classmethod
    def named(cls, name: str) -> FaultPlan:
        """Return one of :data:`PLANS`; for a fault's own name, the plan of that one alone, in one call of five.

        Raises:
            ConfigurationError: naming the plans and the faults there are.
        """
        if name in PLANS:
            return PLANS[name]
        if name in FAULTS:
            return cls(name, {name: ALONE})
        there = f"there are {', '.join(PLANS)}, and one for each fault: {', '.join(FAULTS)}"
        raise ConfigurationError(f"there is no fault plan named {name!r}; {there}")


_NORMAL = {
    "refused": 0.01,
    "request_lost": 0.015,
    "reply_lost": 0.03,
    "late": 0.01,
    "error_before": 0.015,
    "error_after": 0.015,
    "throttled": 0.01,
    "slow": 0.02,
    "truncated": 0.005,
    "duplicate_id": 0.005,
    "penalty": 0.01,
    "evicted": 0.005,
    "second_refused": 0.5,
    "lagging": 0.03,
    "unknown_status": 0.01,
    "rejected_later": 0.005,
    "partial": 0.10,  # Alpaca's paper account fills one eligible order in ten in parts
    "slow_cancel": 0.2,
}
_HOSTILE = {name: min(rate * 3, 0.8) for name, rate in _NORMAL.items()}

PLANS: Mapping[str, FaultPlan] = MappingProxyType(
    {
        "none": FaultPlan("none"),
        "normal": FaultPlan("normal", _NORMAL),
        "hostile": FaultPlan("hostile", _HOSTILE),
    }
)
"""The plans that have a name."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that strikes now.

    Attributes:
        name: which of :data:`FAULTS`.
        details: how exactly: ``seconds``, ``status``, ``body``, ``headers``, ``quantity`` or ``word``.
    """

    name: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Armed:
    fault: Fault
    on: Target
    times: int

    def strikes(self, call: str) -> bool:
        return self.on in ("any", call) and call in FAULTS[self.fault.name]


class Faults:
    """What goes wrong: the armed faults first, in the order they were armed, then what the plan draws.

    Args:
        plan: a plan, or the name of one.
        seed: of the plan's draws.
        lacks: faults this broker does not have; what a plan says of them is left out.

    Raises:
        ConfigurationError: for a plan of nothing but what the broker lacks.
    """

    def __init__(
        self, plan: FaultPlan | str | None = None, seed: int = 0, *, lacks: frozenset[str] = frozenset()
    ) -> None:
        """Follow ``plan``, or ``none``."""
        self.lacks = lacks
        self.plan = plan if isinstance(plan, FaultPlan) else FaultPlan.named(plan or "none")
        if self.plan.rates and lacks.issuperset(self.plan.rates):
            raise ConfigurationError(f"this broker has no fault named {', '.join(self.plan.rates)}")
        self.seed = seed
        self.fired: Counter[str] = Counter()
        self._armed: list[_Armed] = []
        self._made: Counter[str] = Counter()

    def arm(self, name: str, *, times: int = 1, on: Target = "order", **details: Any) -> None:
        """Let the next ``times`` calls ``on`` which the fault can strike meet it.

        Raises:
            ConfigurationError: for a name that is no fault, or a call it cannot strike.
        """
        if name not in FAULTS:
            raise ConfigurationError(f"there is no fault named {name!r}; there are {', '.join(FAULTS)}")
        if name in self.lacks:
            raise ConfigurationError(f"this broker has no fault named {name!r}")
        if on != "any" and on not in FAULTS[name]:
            raise ConfigurationError(f"the fault {name!r} cannot strike the call {on!r}")
        known = {key: value for key, value in details.items() if value is not None}
        self._armed.append(_Armed(Fault(name, known), on, times))

    def disarm(self) -> None:
        """Forget what is armed; the plan stays."""
        self._armed.clear()

    @property
    def armed(self) -> Counter[str]:
        """How many strikes of each fault are armed and have not fired."""
        return Counter({item.fault.name: item.times for item in self._armed})

    def next(self, call: CallName, key: str) -> Fault | None:
        """Return the fault of the connection or the answer that strikes this call, or None; it counts as fired.

        Args:
            call: the kind of the call.
            key: names the very call: the client order id of an order, else the path.
        """
        return self._fire(self._take(call, _EXCLUSIVE) or self._draw(f"{call}|{key}", call, _EXCLUSIVE))

    def also(self, name: str, call: CallName, key: str) -> Fault | None:
        """Return the fault ``name`` of the order if it strikes besides; it counts as fired."""
        return self._fire(self._take(call, (name,)) or self._draw(f"{call}|{key}|{name}", call, (name,)))

    def missed(self, fault: Fault) -> None:
        """Take a fault back that found nothing to strike, such as a success to break off: it did not fire."""
        self.fired[fault.name] -= 1

    def _fire(self, fault: Fault | None) -> Fault | None:
        if fault is not None:
            self.fired[fault.name] += 1
        return fault

    def _take(self, call: str, names: tuple[str, ...]) -> Fault | None:
        for item in self._armed:
            if item.fault.name in names and item.strikes(call):
                item.times -= 1
                if item.times <= 0:
                    self._armed.remove(item)
                return item.fault
        return None

    def _draw(self, key: str, call: str, names: tuple[str, ...]) -> Fault | None:
        if not self.plan.rates:
            return None
        self._made[key] += 1
        dice = Random(f"{self.seed}|{key}|{self._made[key]}")
        point = dice.random()
        for name in names:
            if call in FAULTS[name] and name not in self.lacks:
                point -= self.plan.rates.get(name, 0.0) * (self.plan.reads if call in ("read", "session") else 1.0)
                if point < 0:
                    return Fault(name, self._details(name, dice))
        return None

    def _details(self, name: str, dice: Random) -> dict[str, Any]:
        if name in self.plan.seconds:
            return {"seconds": round(dice.uniform(*self.plan.seconds[name]), 3)}
        if name.startswith("error_"):
            return {"status": dice.choice((500, 502, 503, 504)), "body": dice.choice(("json", "html", "empty"))}
        if name == "throttled":
            return {"headers": dice.random() < 0.5}
        return {}


class Misbehaving:
    """The faults of a simulator, one method each; what is armed strikes before what the plan draws.

    ``on`` is the call that is struck: ``order`` (placing one), ``replace``, ``cancel``, ``read``, ``session`` (tokens,
    accounts, contracts) or ``any``.
    """

    faults: Faults

    def misbehaves(self, plan: FaultPlan | str, **rates: float) -> None:
        """Follow another plan from now on, with some of its rates changed."""
        chosen = plan if isinstance(plan, FaultPlan) else FaultPlan.named(plan)
        self.faults.plan = replace(chosen, rates={**chosen.rates, **rates})

    def loses_reply(self, times: int = 1, *, on: Target = "order") -> None:
        """Process the call and drop the connection before the answer."""
        self.faults.arm("reply_lost", times=times, on=on)

    def loses_request(self, times: int = 1, *, on: Target = "order") -> None:
        """Drop the connection before the call is processed; the caller cannot tell it from a lost reply."""
        self.faults.arm("request_lost", times=times, on=on)

    def refuses_connection(self, times: int = 1, *, on: Target = "order") -> None:
        """Refuse the connection, so that nothing is written."""
        self.faults.arm("refused", times=times, on=on)

    def fails(
        self,
        status: int = 500,
        when: Literal["before", "after"] = "before",
        times: int = 1,
        *,
        body: Literal["json", "html", "empty"] = "json",
        on: Target = "order",
    ) -> None:
        """Answer a server error, before or after the call was processed."""
        self.faults.arm(f"error_{when}", times=times, on=on, status=status, body=body)

    def html_502(self, times: int = 1, *, when: Literal["before", "after"] = "before", on: Target = "order") -> None:
        """Answer the HTML page of a proxy."""
        self.fails(502, when, times, body="html", on=on)

    def throttles(
        self, times: int = 1, *, headers: bool = True, retry_after: float | None = None, on: Target = "order"
    ) -> None:
        """Answer 429, with the headers that say when to come back or without; nothing is processed."""
        self.faults.arm("throttled", times=times, on=on, headers=headers, retry_after=retry_after)

    def refuses_credentials(self, times: int = 1, *, on: Target = "any") -> None:
        """Answer 401 to good credentials; nothing is processed."""
        self.faults.arm("unauthorized", times=times, on=on)

    def slow(self, seconds: float = 5.0, times: int = 1, *, on: Target = "order") -> None:
        """Process the call and answer after ``seconds`` of the simulator's clock."""
        self.faults.arm("slow", times=times, on=on, seconds=seconds)

    def truncates(self, times: int = 1, *, on: Target = "order") -> None:
        """Process the call and break its 200 off in the middle."""
        self.faults.arm("truncated", times=times, on=on)

    def accepts_late(self, seconds: float = 5.0, times: int = 1) -> None:
        """Drop the connection, and accept the order ``seconds`` later."""
        self.faults.arm("late", times=times, seconds=seconds)

    def duplicate_id(self, times: int = 1) -> None:
        """Accept the order and answer that its client order id is taken."""
        self.faults.arm("duplicate_id", times=times)

    def refuses_second_attempt(self, times: int = 1) -> None:
        """Refuse the next order whose id is known, while the first is live or filled, for want of buying power."""
        self.faults.arm("second_refused", times=times)

    def lags_lookups(self, seconds: float = 3.0, times: int = 1) -> None:
        """Hide the next order from look-ups by client id and from lists for ``seconds``."""
        self.faults.arm("lagging", times=times, seconds=seconds)

    def unknown_status(self, times: int = 1, *, looks: int = 1, word: str = "pending_surveillance") -> None:
        """Show the next order, at the first ``looks`` after its acceptance, with a status nobody has heard of."""
        self.faults.arm("unknown_status", times=times, looks=looks, word=word)

    def rejects_later(self, times: int = 1) -> None:
        """Accept the next order and then reject it."""
        self.faults.arm("rejected_later", times=times)

    def fills_partially(self, times: int = 1, *, quantity: str | int | None = None, seconds: float = 1.0) -> None:
        """Fill the next order in two parts: ``quantity`` (or a random part), and the rest after ``seconds``."""
        self.faults.arm("partial", times=times, quantity=quantity, seconds=seconds)

    def cancels_slowly(self, seconds: float = 1.0, times: int = 1) -> None:
        """Leave the next order that is canceled in ``pending_cancel`` for ``seconds``; it may fill meanwhile."""
        self.faults.arm("slow_cancel", times=times, on="cancel", seconds=seconds)

    def penalizes(self, seconds: float = 15.0, times: int = 1, *, captcha: bool = False, on: Target = "order") -> None:
        """Answer with a ticket that lets the same request through after ``seconds``; nothing is processed."""
        self.faults.arm("penalty", times=times, on=on, seconds=seconds, captcha=captcha)

    def locks_out(self, *, on: Target = "order") -> None:
        """Answer 423, and 429 to everything until an hour has passed in which nothing was sent."""
        self.faults.arm("locked", on=on)

    def evicts(self, times: int = 1, *, on: Target = "order") -> None:
        """Close the session, as a third one does, and answer 408; nothing is processed."""
        self.faults.arm("evicted", times=times, on=on)

    def refuses_changes(self, times: int = 1) -> None:
        """Take the next change of an order and then refuse it; the order stands as it was."""
        self.faults.arm("change_refused", times=times, on="replace")
