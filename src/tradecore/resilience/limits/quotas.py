"""Quotas of others: who may do what how often. A quota decides and never waits; a pace of our own calls waits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from ...clock import Clock
from ...errors import ConfigurationError, RateLimited
from ...hooks import Hooks
from .decisions import Decision
from .events import QuotaDecided
from .memory import MemoryStore
from .outage import desk_of
from .rates import LONGEST_KEY, Claim, Limit, Outage, Policy, Strategy, check_cost, key_of, policies_of
from .tables import Table

if TYPE_CHECKING:
    from .redis_store import RedisStore

__all__ = ["Quotas"]

Limits: TypeAlias = str | Limit | Sequence[str | Limit]


_NAME = re.compile(r"[ -~]{1,128}\Z")


class Quotas:
    """Decides, for each key, whether one more is within its quota.

    ::

        quotas = Quotas({"broker.connect": "5 per 5 minutes", "orders": "10/second; 200/minute"})

        decision = quotas.hit("broker.connect", user_id)      # true where it may pass
        quotas.require("orders", user_id)                     # raises RateLimited

    A name with several rates, and several names by :meth:`hit_all`, pass together or take nothing.

    Args:
        limits: what each name allows a key: text in the notation of the ``limits`` library, a :class:`Limit`, several.
        strategy: of limits that name none: ``exact-log``, ``gcra``, ``fixed-window`` or ``sliding-window-counter``.
        store: ``memory://``, ``redis://...``, or a store that is shared with others.
        on_outage: while a shared store does not answer: ``local`` decides by this process' share, ``open`` lets
            everything pass, ``closed`` nothing. The decision says so.
        processes: among how many processes the limits are shared in that case.
        clock: tells the time; the machine's when left out.
        hooks: hear every decision.

    Raises:
        ConfigurationError: listing everything that cannot be.
    """

    def __init__(
        self,
        limits: Mapping[str, Limits],
        *,
        strategy: Strategy = "exact-log",
        store: str | MemoryStore | RedisStore = "memory://",
        on_outage: Outage = "local",
        processes: int = 1,
        clock: Clock | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        """Start with everything unused."""
        found: dict[str, tuple[Policy, ...]] = {}
        problems: list[str] = []
        for name, given in limits.items():
            if not _NAME.match(name):
                problems.append(f"the name {name!r} is not 1 to 128 printable ASCII characters: headers show it")
                continue
            try:
                found[name] = policies_of(name, given, strategy)
            except ConfigurationError as error:
                problems += [f"{name}: {detail['message']}" for detail in error.details]
        if not found and not problems:
            problems.append("there is no quota")
        if problems:
            raise ConfigurationError.of(problems)
        self.policies: Mapping[str, tuple[Policy, ...]] = MappingProxyType(found)
        self._desk = desk_of(store, on_outage, processes, clock)
        self._hooks = hooks
        self._quick: dict[str, Table] = {}
        if isinstance(self._desk, MemoryStore) and hooks is None:
            single = {name: policies[0] for name, policies in found.items() if len(policies) == 1}
            self._quick = {name: self._desk.table(policy) for name, policy in single.items()}

    def hit(self, name: str, *key: str | int, cost: int = 1) -> Decision:
        """Take ``cost`` units of ``key`` if its quota has them.

        Args:
            name: which quota.
            key: whose: a user's id, or several parts; nothing for one quota that all share.
            cost: how many units.

        Raises:
            ConfigurationError: if there is no such quota.
            ValueError: if ``cost`` can never pass.
        """
        # The short way of the common case; everything else goes by claims.
        table = self._quick.get(name)
        if table is not None and cost == 1 and len(key) == 1:
            (part,) = key
            if type(part) is str and len(part) <= LONGEST_KEY:
                with table.lock:
                    return table.take(part, 1)
        return self._told(self._desk.decide(self._claims(name, key, cost)))

    async def ahit(self, name: str, *key: str | int, cost: int = 1) -> Decision:
        """Take units, for coroutines; see :meth:`hit`."""
        if name in self._quick:
            return self.hit(name, *key, cost=cost)
        return self._told(await self._desk.adecide(self._claims(name, key, cost)))

    def hit_all(self, wanted: Iterable[tuple[str | int, ...]], *, cost: int = 1) -> Decision:
        """Take ``cost`` units of each ``(name, *key)`` of ``wanted``, or of none.

        On a Redis cluster all keys must be one and the same: only then do they live on one node.
        """
        return self._told(self._desk.decide(self._all_claims(wanted, cost)))

    async def ahit_all(self, wanted: Iterable[tuple[str | int, ...]], *, cost: int = 1) -> Decision:
        """Take units of each, for coroutines; see :meth:`hit_all`."""
        return self._told(await self._desk.adecide(self._all_claims(wanted, cost)))

    def require(self, name: str, *key: str | int, cost: int = 1) -> Decision:
        """Take units like :meth:`hit`, and return the decision if they were there.

        Raises:
            RateLimited: if not; ``retry_after`` says when they will be.
        """
        return passed(self.hit(name, *key, cost=cost))

    async def arequire(self, name: str, *key: str | int, cost: int = 1) -> Decision:
        """Take units, for coroutines; see :meth:`require`."""
        return passed(await self.ahit(name, *key, cost=cost))

    def peek(self, name: str, *key: str | int, cost: int = 1) -> Decision:
        """Return what :meth:`hit` would decide now, and take nothing."""
        return self._desk.decide(self._claims(name, key, cost), commit=False)

    async def apeek(self, name: str, *key: str | int, cost: int = 1) -> Decision:
        """Return what :meth:`ahit` would decide now, and take nothing."""
        return await self._desk.adecide(self._claims(name, key, cost), commit=False)

    def refund(self, decision: Decision) -> None:
        """Put back, once, what a decision took: a later stage refused the request."""
        self._desk.refund(decision)

    async def arefund(self, decision: Decision) -> None:
        """Put back, for coroutines; see :meth:`refund`."""
        await self._desk.arefund(decision)

    def check(self, name: str, cost: int = 1) -> None:
        """See, when a route is declared, that :meth:`hit` will not fail on it; the same errors."""
        check_cost([claim.policy for claim in self._claims(name, (), 1)], cost)

    def _told(self, decision: Decision) -> Decision:
        if self._hooks is not None and self._hooks.heard(QuotaDecided):
            told = QuotaDecided(
                name=decision.policy.name,
                allowed=decision.allowed,
                outage=decision.outage,
                cost=decision.cost,
                remaining=decision.remaining,
                retry_after=decision.retry_after,
            )
            self._hooks.tell(told)
        return decision

    def _claims(self, name: str, key: tuple[str | int, ...], cost: int) -> list[Claim]:
        policies = self.policies.get(name)
        if policies is None:
            known = ", ".join(self.policies)
            raise ConfigurationError(f"there is no quota {name!r}: there are {known}")
        if cost != 1:
            check_cost(policies, cost)
        filed = key_of(key)
        return [Claim(policy, filed, cost) for policy in policies]

    def _all_claims(self, wanted: Iterable[tuple[str | int, ...]], cost: int) -> list[Claim]:
        pairs = [(str(name), tuple(key)) for name, *key in wanted]
        if not pairs or len({*pairs}) < len(pairs):
            raise ValueError("hit_all takes at least one quota and key, and none twice")
        return [claim for name, key in pairs for claim in self._claims(name, key, cost)]

    def close(self) -> None:
        """Close the store's connections; they open again on use."""
        self._desk.close()

    async def aclose(self) -> None:
        """Close the store's connections of this loop."""
        await self._desk.aclose()

    def __repr__(self) -> str:
        """Show the quotas and where they are counted."""
        limits = {name: "; ".join(policy.rate for policy in policies) for name, policies in self.policies.items()}
        return f"Quotas({limits!r}, store={self._desk!r})"


def passed(decision: Decision) -> Decision:
    """Return a decision that lets pass.

    Raises:
        RateLimited: for one that does not.
    """
    if decision.allowed:
        return decision
    refusing = [part for part in decision.each if not part.allowed]
    details = [
        {"policy": part.policy.name, "limit": part.limit, "period": part.policy.period, "outage": part.outage}
        for part in refusing
    ]
    raise RateLimited(decision.sentence, details=details, retry_after=decision.retry_after)
