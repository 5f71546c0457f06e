"""Verdicts and probes shared through Redis, by one thread a process, so that no call ever waits for a slow server.

A closed call sends nothing. The thread speaks for all breakers of the process once a ``refresh`` and when one moves:
one script, one round trip, the server's clock. Only a probe is waited for, ``patience`` seconds at most; a server that
is dead, slow, starting or failing over then leaves every breaker to its own verdict until it answers in time again.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import ConfigurationError
from .permits import Peers
from .sharing import RETRY, Answer, Sharer

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["RedisVerdicts"]

_log = logging.getLogger("tradecore.resilience")
_QUIET = 30.0  # seconds between two lines about a server that is gone

_NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "
# KEYS places, rest; ARGV lease, places, milliseconds. Answers the milliseconds to wait, 0 with a place.
_ASK = (
    _NOW
    + f"""
local rest = redis.call('PTTL', KEYS[2])
if rest > 0 then return rest end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return math.max(1, math.min({RETRY * 1000:.0f}, first[2] - now))
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 0
"""
)
# KEYS places, rest, verdicts; ARGV member, milliseconds open, milliseconds of rest, leases returned ...
# Answers how many others are open, and for how many milliseconds the longest of them.
_REPORT = (
    _NOW
    + """
local open, rest = tonumber(ARGV[2]), tonumber(ARGV[3])
if open > 0 then redis.call('ZADD', KEYS[3], now + open, ARGV[1]) else redis.call('ZREM', KEYS[3], ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
if redis.call('PTTL', KEYS[3]) < open then redis.call('PEXPIRE', KEYS[3], open) end
if rest > 0 and redis.call('PTTL', KEYS[2]) < rest then redis.call('SET', KEYS[2], ARGV[1], 'PX', rest) end
for i = 4, #ARGV do redis.call('ZREM', KEYS[1], ARGV[i]) end
local others, longest = 0, 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  if member ~= ARGV[1] then
    others = others + 1
    longest = math.max(longest, redis.call('ZSCORE', KEYS[3], member) - now)
  end
end
return {others, longest}
"""
)
_DIGESTS = {script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest() for script in (_ASK, _REPORT)}


class RedisVerdicts:
    """A place where the breakers of one name, in all processes, share probes and tell each other their verdicts.

    Hand it to any number of breakers. A peer's verdict is a hint, shown by their snapshots; it opens nothing. The
    places for probes are counted once for all processes, and after a failed probe everybody rests.

    Args:
        redis: a client, or an address: ``redis://127.0.0.1:6379/0``.
        namespace: what the keys begin with.
        refresh: seconds between two looks at what the others say; one command a breaker each.
        patience: seconds an answer is waited for before a probe, at most.

    Raises:
        ConfigurationError: if the package ``redis`` is missing, the client is of asyncio's kind, or a time is not
            positive.
    """

    def __init__(
        self, redis: Redis | str, *, namespace: str = "tradecore", refresh: float = 1.0, patience: float = 0.05
    ) -> None:
        """Connect to nothing yet."""
        if refresh <= 0 or patience <= 0:
            raise ConfigurationError("refresh and patience must be positive seconds")
        self.patience = patience
        self._post = _Post(_client(redis), namespace, refresh, patience)
        weakref.finalize(self, self._post.end)
        post = weakref.ref(self._post)

        def forked() -> None:  # the thread stayed in the parent
            if (mine := post()) is not None:
                mine.begin_again()

        os.register_at_fork(after_in_child=forked)

    @property
    def well(self) -> bool:
        """Whether the server answers in time."""
        return self._post.well

    def join(self, breaker: Sharer) -> None:
        """Take part; ``breaker`` is held weakly."""
        self._post.join(breaker)
        self._post.start()

    def ask(self, name: str, lease: str, places: int, seconds: float) -> Future[Answer]:
        """Ask for one of ``places`` places for probes, to be held under ``lease`` for at most ``seconds``."""
        answer: Future[Answer] = Future()
        if not self._post.well:
            answer.set_result(None)
            return answer
        self._post.start()
        keys = self._post.keys(name)
        self._post.letters.put((answer, keys[:2], (lease, places, round(seconds * 1000) or 1)))
        return answer

    def changed(self, breaker: Sharer) -> None:
        """Tell the others soon."""
        self._post.start()
        if self._post.well:
            self._post.letters.put(weakref.ref(breaker))

    def lost(self) -> None:
        """An answer did not come in time."""
        self._post.gone(f"it did not answer within {self.patience:g} s")

    def peers(self, breaker: Sharer) -> Peers:
        """Return what the others said last."""
        said = self._post.said.get(breaker)
        return said if said is not None and self._post.well else Peers(known=False)


_Letter: TypeAlias = "tuple[Future[Answer], tuple[str, ...], tuple[object, ...]] | weakref.ref[Sharer] | None"


class _Post:
    """What the thread needs, and all it holds on to: when the store is gone, the thread ends."""

    def __init__(self, client: Any, namespace: str, refresh: float, patience: float) -> None:
        self._client = client
        self._namespace = namespace
        self._refresh = refresh
        self._patience = patience
        self._said_at = float("-inf")
        self._members: weakref.WeakSet[Sharer] = weakref.WeakSet()
        self.said: weakref.WeakKeyDictionary[Sharer, Peers] = weakref.WeakKeyDictionary()
        self.well = True
        self._begin()

    def _begin(self) -> None:
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.letters: SimpleQueue[_Letter] = SimpleQueue()

    def begin_again(self) -> None:
        """Have a thread of one's own, in the child of a fork, if the parent had one."""
        forked = self._thread is not None
        self._begin()
        if forked:
            self.start()

    def start(self) -> None:
        """See to it that the thread runs."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="tradecore-verdicts", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """Have the thread stop."""
        self.letters.put(None)

    def join(self, breaker: Sharer) -> None:
        """Speak for ``breaker`` from now on."""
        with self._lock:
            self._members.add(breaker)

    def keys(self, name: str) -> tuple[str, str, str]:
        """Return the keys of one name; braces keep them on one node of a cluster."""
        head = f"{self._namespace}:{{breaker:{name}}}"
        return f"{head}:places", f"{head}:rest", f"{head}:verdicts"

    def gone(self, why: str) -> None:
        """Leave the breakers to themselves; say so, rarely."""
        self.well = False
        now = time.monotonic()
        if now - self._said_at >= _QUIET:
            self._said_at = now
            _log.warning("breakers decide by themselves, Redis shares nothing: %s", why)

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            try:
                letter = self.letters.get(timeout=max(0.0, due - time.monotonic()))
            except Empty:
                due = time.monotonic() + self._refresh
                self._beat()
                continue
            if letter is None:
                return
            if isinstance(letter, weakref.ref):
                if (breaker := letter()) is not None and self.well:
                    self._report(breaker)
            else:
                self._ask(*letter)

    def _beat(self) -> None:
        with self._lock:
            members = list(self._members)
        for breaker in members:
            if not self._report(breaker):
                break  # the others would wait in vain as well

    def _report(self, breaker: Sharer) -> bool:
        report = breaker.report()
        times = (breaker.member, round(report.open_for * 1000), round(report.rest_for * 1000), *report.returned)
        answer = self._safely(lambda: self._script(_REPORT, self.keys(str(breaker.name)), times))
        if answer is None:
            return False
        self.said[breaker] = Peers(int(answer[0]), int(answer[1]) / 1000)
        return True

    def _ask(self, answer: Future[Answer], keys: tuple[str, ...], args: tuple[object, ...]) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        wait = self._safely(lambda: self._script(_ASK, keys, args)) if self.well else None
        answer.set_result(None if wait is None else int(wait) / 1000)

    def _safely(self, act: Callable[[], Any]) -> Any:
        """Return what the server answers, or None; a server that takes too long is as good as none."""
        began = time.monotonic()
        try:
            answer = act()
        except Exception as error:  # whatever the client raises, no breaker may notice
            self._client.connection_pool.disconnect()  # behind a name that moves, the next connection is to the new one
            self.gone(f"{type(error).__name__}: {error}")
            return None
        took = time.monotonic() - began
        if took > self._patience:
            self.gone(f"it took {took:.3f} s to answer")
        else:
            self.well = True
        return answer

    def _script(self, script: str, keys: tuple[str, ...], args: tuple[object, ...]) -> Any:
        from redis.exceptions import NoScriptError

        try:
            return self._client.evalsha(_DIGESTS[script], len(keys), *keys, *args)
        except NoScriptError:  # a restarted or flushed server
            return self._client.eval(script, len(keys), *keys, *args)


def _client(redis: Any) -> Any:
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as missing:
        raise ConfigurationError("shared verdicts need the package redis: pip install 'tradecore[redis]'") from missing
    if isinstance(redis, str):
        return Redis.from_url(redis, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0))
    if inspect.iscoroutinefunction(getattr(redis, "execute_command", None)):
        raise ConfigurationError("shared verdicts need a client of redis, not of redis.asyncio: their thread waits")
    return redis
