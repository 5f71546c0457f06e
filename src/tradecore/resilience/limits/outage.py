"""Deciding with a shared store, and what is decided while it does not answer: by a local share, open, or closed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from ...clock import Clock
from ...errors import ConfigurationError
from .decisions import Decision, held, together
from .memory import MemoryStore
from .rates import Claim, Outage, Policy, StoreUnavailable

if TYPE_CHECKING:
    from .redis_store import RedisStore

__all__ = ["Desk", "Shared", "desk_of"]


class Desk(Protocol):
    """Where limiters have things decided."""

    @property
    def shared(self) -> bool:
        """Whether asking waits for somebody else."""
        ...

    def decide(self, claims: Sequence[Claim], *, commit: bool = True, blockable: bool = False) -> Decision:
        """Decide on all claims together."""
        ...

    async def adecide(self, claims: Sequence[Claim], *, commit: bool = True, blockable: bool = False) -> Decision:
        """Decide, for coroutines."""
        ...

    def refund(self, decision: Decision) -> None:
        """Put back what was taken and not used."""
        ...

    async def arefund(self, decision: Decision) -> None:
        """Put back, for coroutines."""
        ...

    def block(self, key: str | bytes, seconds: float) -> None:
        """Let nobody pass under a key for a while."""
        ...

    async def ablock(self, key: str | bytes, seconds: float) -> None:
        """Block, for coroutines."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...

    async def aclose(self) -> None:
        """Close connections, for coroutines."""
        ...


class Shared:
    """A shared store and what stands in for it.

    What passes by the store is noted in the local share, too: an outage does not begin with a fresh allowance.

    Args:
        store: what processes share.
        on_outage: ``local`` decides by this process' share, ``open`` lets everything pass, ``closed`` nothing.
        processes: among how many the limit is shared.
        clock: of the local share.
    """

    shared = True

    def __init__(self, store: RedisStore, on_outage: Outage, processes: int, clock: Clock | None) -> None:
        """Stand before ``store``."""
        self.store = store
        self.on_outage = on_outage
        self.local = MemoryStore(clock)
        self._processes = processes
        self._shares: dict[str, Policy] = {}

    def decide(self, claims: Sequence[Claim], *, commit: bool = True, blockable: bool = False) -> Decision:
        """Decide on all claims together, in one round trip or without."""
        block_key = claims[0].key if blockable else None
        if self.store.answers:
            try:
                return self._noted(claims, self.store.ask(claims, _mode(commit), block_key), blockable)
            except StoreUnavailable:
                pass
        return self._without(claims, commit, blockable)

    async def adecide(self, claims: Sequence[Claim], *, commit: bool = True, blockable: bool = False) -> Decision:
        """Decide, for coroutines."""
        block_key = claims[0].key if blockable else None
        if self.store.answers:
            try:
                return self._noted(claims, await self.store.aask(claims, _mode(commit), block_key), blockable)
            except StoreUnavailable:
                pass
        return self._without(claims, commit, blockable)

    def _noted(self, claims: Sequence[Claim], decision: Decision, blockable: bool) -> Decision:
        if decision.at and self.on_outage == "local":
            self.local.decide(self._local(claims))
        # A block told here while the store was gone holds here all the same.
        left = self.local.blocked_for(claims[0].key) if blockable else 0.0
        return held(decision, left) if left > 0 else decision

    def _local(self, claims: Sequence[Claim]) -> list[Claim]:
        return [claim._replace(policy=self._share(claim.policy)) for claim in claims]

    def _share(self, policy: Policy) -> Policy:
        share = self._shares.get(policy.id)
        if share is None:
            share = self._shares[policy.id] = policy.share(self._processes)
        return share

    def _without(self, claims: Sequence[Claim], commit: bool, blockable: bool) -> Decision:
        if self.on_outage == "local":
            shares = self._local(claims)
            small = [share for share in shares if share.cost > share.policy.burst]
            if not small:
                decision = self.local.decide(shares, commit=commit, blockable=blockable)
                parts = tuple(part._replace(outage="local") for part in decision.parts)
                return decision._replace(outage="local", parts=parts)
            return self._fixed(small, allowed=False)  # its cost never fits into a share: it waits for the store
        left = self.local.blocked_for(claims[0].key) if blockable else 0.0
        decision = self._fixed(claims, allowed=self.on_outage == "open")
        return held(decision, left) if left > 0 else decision

    def _fixed(self, claims: Sequence[Claim], *, allowed: bool) -> Decision:
        wait = 0.0 if allowed else self.store.recheck
        parts = []
        for policy, key, cost in claims:
            left = policy.burst if allowed else 0
            parts.append(Decision(allowed, policy.limit, left, wait, wait, policy, self.on_outage, key, cost))
        return together(tuple(parts))

    def refund(self, decision: Decision) -> None:
        """Put back where it was taken; without the store it stays taken there, and runs out with its period."""
        if decision.outage is not None:
            return self.local.refund(decision)
        if decision.at and self.store.answers:
            with suppress(StoreUnavailable):
                self.store.run(*self.store.put_back(decision))
        return None

    async def arefund(self, decision: Decision) -> None:
        """Put back, for coroutines."""
        if decision.outage is not None:
            self.local.refund(decision)
        elif decision.at and self.store.answers:
            with suppress(StoreUnavailable):
                await self.store.arun(*self.store.put_back(decision))

    def block(self, key: str | bytes, seconds: float) -> None:
        """Let nobody pass under ``key`` for ``seconds``: in every process, and here even if the store is gone."""
        self.local.block(key, seconds)
        if self.store.answers:
            with suppress(StoreUnavailable):
                self.store.run(*self.store.hold(key, seconds))

    async def ablock(self, key: str | bytes, seconds: float) -> None:
        """Block, for coroutines."""
        self.local.block(key, seconds)
        if self.store.answers:
            with suppress(StoreUnavailable):
                await self.store.arun(*self.store.hold(key, seconds))

    def clear(self, policy: Policy, key: str | bytes) -> None:
        """Forget what a key used of a policy."""
        self.local.clear(self._share(policy), key)
        if self.store.answers:
            with suppress(StoreUnavailable):
                self.store.run(*self.store.forget(policy, key))

    async def aclear(self, policy: Policy, key: str | bytes) -> None:
        """Forget, for coroutines."""
        self.local.clear(self._share(policy), key)
        if self.store.answers:
            with suppress(StoreUnavailable):
                await self.store.arun(*self.store.forget(policy, key))

    def close(self) -> None:
        """Close the store's connections."""
        self.store.close()

    async def aclose(self) -> None:
        """Close the store's connections."""
        await self.store.aclose()

    def __repr__(self) -> str:
        """Show the store and what stands in."""
        return f"<{self.store!r}, without it {self.on_outage}>"


def _mode(commit: bool) -> str:
    return "take" if commit else "look"


def desk_of(
    store: str | MemoryStore | RedisStore, on_outage: Outage, processes: int, clock: Clock | None
) -> MemoryStore | Shared:
    """Return where decisions are made.

    Raises:
        ConfigurationError: for an address, an outage policy or a number of processes that cannot be.
    """
    problems = []
    if on_outage not in ("local", "open", "closed"):
        problems.append(f"without its store a limiter is local, open or closed, not {on_outage!r}")
    if type(processes) is not int or processes < 1:
        problems.append("processes is a number, at least 1")
    if isinstance(store, str) and not (store == "memory://" or store.startswith(("redis://", "rediss://", "unix://"))):
        problems.append(f"there is no store {store.partition(':')[0]!r}: use memory://, redis://, rediss:// or unix://")
    if problems:
        raise ConfigurationError.of(problems)
    if isinstance(store, MemoryStore):
        return store
    if store == "memory://":
        return MemoryStore(clock)
    if isinstance(store, str):
        from .redis_store import RedisStore  # loads redis-py, which is optional

        store = RedisStore(store)
    return Shared(store, on_outage, processes, clock)
