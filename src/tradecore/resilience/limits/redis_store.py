"""The store of limits that processes share: Redis, one EVALSHA a decision, by the server's clock, in either colour.

This module asks and tells whether Redis answers; what to do without it is decided in :mod:`.outage`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Sequence
from importlib import resources
from typing import Any
from weakref import WeakKeyDictionary

from ...clock import SystemClock
from ...errors import ConfigurationError
from .decisions import Decision, held, together
from .rates import LONGEST, Claim, Policy, StoreUnavailable, digest

try:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.backoff import NoBackoff
    from redis.exceptions import NoScriptError, RedisError
    from redis.retry import Retry
except ImportError as missing:
    raise ConfigurationError("limits kept in Redis need redis-py: pip install 'tradecore[redis]'") from missing

__all__ = ["RedisStore"]

_log = logging.getLogger("tradecore.resilience")
_MACHINE = SystemClock()  # sockets and outages keep the machine's time, whatever clock a limiter was given
_SCHEMES = ("redis://", "rediss://", "unix://")
_FAULTS = (RedisError, OSError, TimeoutError)
_SAY_AGAIN = 30.0
_MICRO = 1e-6

Arguments = tuple[int, tuple[Any, ...]]


class RedisStore:
    """Counts in Redis, for all processes that name the same server.

    A decision is one ``EVALSHA``; the script is sent again where the server lost it. A server that does not answer
    within ``timeout`` is left alone: decisions are made without it at once, and a short-lived thread looks every
    ``recheck`` seconds, while somebody asks, whether it writes again.

    Args:
        uri: ``redis://``, ``rediss://`` or ``unix://``, as redis-py takes it.
        timeout: seconds that connecting, and an answer, may take.
        recheck: seconds between two looks at a server that failed.
        prefix: what every key begins with.

    Raises:
        ConfigurationError: for another address, times that are not positive, or without redis-py.
    """

    shared = True

    def __init__(
        self, uri: str, *, timeout: float = 0.04, recheck: float = 1.0, prefix: str = "tradecore:limits"
    ) -> None:
        """Connect nothing yet."""
        problems = []
        if not uri.startswith(_SCHEMES):
            problems.append(
                f"a shared store is named by redis://, rediss:// or unix://, not by {uri.partition(':')[0]!r}"
            )
        if not (timeout > 0 and recheck > 0):
            problems.append("timeout and recheck are positive seconds")
        if problems:
            raise ConfigurationError.of(problems)
        self.timeout, self.recheck, self.prefix = timeout, recheck, prefix
        self._uri = uri
        self._script = resources.files(__package__).joinpath("limits.lua").read_text(encoding="utf-8")
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._failed_at: float | None = None
        self._said_at = float("-inf")
        self._checking = False
        try:
            self._client = self._connect()
        except ValueError as error:
            raise ConfigurationError(f"the address of the shared store cannot be read: {error}") from None
        self._sha: str = self._client.register_script(self._script).sha
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncRedis] = WeakKeyDictionary()

    # No retries: redis-py's default ones make a dead server cost seconds a call.

    def _connect(self) -> Redis:
        wait = self.timeout
        client: Redis = Redis.from_url(
            self._uri, retry=Retry(NoBackoff(), 0), socket_timeout=wait, socket_connect_timeout=wait
        )
        return client

    def _aconnect(self) -> AsyncRedis:
        wait = self.timeout
        client: AsyncRedis = AsyncRedis.from_url(
            self._uri, retry=AsyncRetry(NoBackoff(), 0), socket_timeout=wait, socket_connect_timeout=wait
        )
        return client

    # -- asking

    def ask(self, claims: Sequence[Claim], mode: str, block_key: str | bytes | None = None) -> Decision:
        """Decide in one round trip.

        Raises:
            StoreUnavailable: if no answer came.
        """
        return self._read(claims, mode, self.run(*self._question(claims, mode, block_key)))

    async def aask(self, claims: Sequence[Claim], mode: str, block_key: str | bytes | None = None) -> Decision:
        """Decide in one round trip, for coroutines."""
        return self._read(claims, mode, await self.arun(*self._question(claims, mode, block_key)))

    def put_back(self, decision: Decision) -> Arguments:
        """Return what to run to put a decision's units back."""
        parts = decision.each
        keys = [self._key(part.policy, part.key) for part in parts]
        figures = [figure for part in parts for figure in _figures(part.policy, part.cost, part.at)]
        return len(keys), (*keys, "refund", 0, *figures)

    def hold(self, key: str | bytes, seconds: float) -> Arguments:
        """Return what to run to block ``key``."""
        return 1, (self._block(key), "block", 1, max(1, round(min(seconds, LONGEST) * 1000)))

    def forget(self, policy: Policy, key: str | bytes) -> Arguments:
        """Return what to run to forget what ``key`` used of ``policy``."""
        return 1, (self._key(policy, key), "clear", 0)

    def run(self, count: int, arguments: tuple[Any, ...]) -> Any:
        """Run the script.

        Raises:
            StoreUnavailable: if no answer came; the store is left alone for a while then.
        """
        try:
            try:
                return self._client.evalsha(self._sha, count, *arguments)
            except NoScriptError:  # restarted, flushed, or another server since
                return self._client.eval(self._script, count, *arguments)
        except _FAULTS as error:
            self._fail(error)
            raise StoreUnavailable(str(error)) from None

    async def arun(self, count: int, arguments: tuple[Any, ...]) -> Any:
        """Run the script, for coroutines."""
        client = self._client_here()
        try:
            async with asyncio.timeout(self.timeout):
                try:
                    return await client.evalsha(self._sha, count, *arguments)
                except NoScriptError:
                    return await client.eval(self._script, count, *arguments)
        except _FAULTS as error:
            self._fail(error)
            raise StoreUnavailable(str(error)) from None

    def _client_here(self) -> AsyncRedis:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = self._aconnect()
        return client

    def _question(self, claims: Sequence[Claim], mode: str, block_key: str | bytes | None) -> Arguments:
        keys = [self._key(claim.policy, claim.key) for claim in claims]
        figures = [figure for claim in claims for figure in _figures(claim.policy, claim.cost, 0)]
        if block_key is None:
            return len(keys), (*keys, mode, 0, *figures)
        return len(keys) + 1, (self._block(block_key), *keys, mode, 1, *figures)

    def _key(self, policy: Policy, key: str | bytes) -> str:
        return f"{self.prefix}:{{{_hex(key)}}}:{policy.id}"

    def _block(self, key: str | bytes) -> str:
        return f"{self.prefix}:{{{_hex(key)}}}:block"

    def _read(self, claims: Sequence[Claim], mode: str, answer: Sequence[int]) -> Decision:
        now, block = answer[0], answer[1]
        waits = answer[2::3]
        passes = block == 0 and all(wait <= 0 for wait in waits)
        parts = []
        for (policy, key, cost), wait, left, reset in zip(claims, waits, answer[3::3], answer[4::3], strict=True):
            fields = (wait <= 0, policy.limit, left, reset * _MICRO, max(0, wait) * _MICRO)
            parts.append(Decision(*fields, policy, None, key, cost, now if passes and mode == "take" else 0))
        decision = together(tuple(parts))
        return held(decision, block * _MICRO) if block else decision

    # -- whether it answers

    @property
    def answers(self) -> bool:
        """Whether the last thing asked was answered; while not, asking this looks after it now and then."""
        failed_at = self._failed_at
        if failed_at is None:
            return True
        if _MACHINE.monotonic() - failed_at >= self.recheck:
            self._look_after()
        return False

    def _fail(self, error: BaseException) -> None:
        now = _MACHINE.monotonic()
        with self._lock:
            self._failed_at = now
            say = now - self._said_at >= _SAY_AGAIN
            if say:
                self._said_at = now
        if say:
            words = str(error) or type(error).__name__
            _log.warning("the shared store of limits does not answer, limiters go on without it: %s", words)

    def _look_after(self) -> None:
        with self._lock:
            if self._checking and self._process == os.getpid():
                return
            self._checking, self._process = True, os.getpid()
        threading.Thread(target=self._check, name="tradecore-limits-check", daemon=True).start()

    def _check(self) -> None:
        # On a connection of its own, and by writing: a replica that reads is no store.
        client = self._connect()
        try:
            client.eval(self._script, 1, f"{self.prefix}:check", "block", 1, 1000)
        except _FAULTS as error:
            self._fail(error)
        else:
            self._client.connection_pool.disconnect(inuse_connections=False)  # they may lead to the one that failed
            self._failed_at = None
        finally:
            self._checking = False
            client.close()

    def close(self) -> None:
        """Close the connections of plain code; they open again on use."""
        self._client.close()

    async def aclose(self) -> None:
        """Close this loop's connections, and those of plain code."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()
        self.close()

    def __repr__(self) -> str:
        """Show where it is, without a password, and whether it answers."""
        place = self._uri.rpartition("@")[2].removeprefix("redis://").removeprefix("rediss://")
        return f"<RedisStore {place}{'' if self._failed_at is None else ' (no answer)'}>"


def _hex(key: str | bytes) -> str:
    # Whoever looks into Redis sees no user's name, and no text can pass for another key's digest.
    return (key if isinstance(key, bytes) else digest((key,))).hex()


def _figures(policy: Policy, cost: int, at: float) -> tuple[Any, ...]:
    return policy.strategy, policy.limit, round(policy.period * 1e6), policy.burst, cost, round(at)
