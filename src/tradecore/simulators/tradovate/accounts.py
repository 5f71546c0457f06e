"""The user's side of a simulated Tradovate: sessions that push each other out, penalty tickets, locks."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from ...clock import Clock

__all__ = ["Locks", "Sessions", "Tickets"]

LOCK = 3600.0


@dataclass(slots=True)
class _Open:
    name: str
    ends_at: float


class Sessions:
    """Who is logged in. A third session of a user closes his oldest.

    Args:
        clock: tells when tokens end.
        random: of tokens.
        users: name to password; any when None.
        seconds: how long a token lives.
        at_once: sessions a user may have.
    """

    def __init__(
        self, clock: Clock, random: Random, users: Mapping[str, str] | None, *, seconds: float, at_once: int
    ) -> None:
        """Start with nobody."""
        self.seconds = seconds
        self._clock = clock
        self._random = random
        self._users = users
        self._at_once = at_once
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._closed: set[str] = set()

    def knows(self, name: object, password: object) -> bool:
        """Return whether name and password are good."""
        if not isinstance(name, str) or not isinstance(password, str) or not name or not password:
            return False
        if self._users is None:
            return True
        good = self._users.get(name)
        return good is not None and secrets.compare_digest(good.encode(), password.encode())

    def begin(self, name: str) -> str:
        """Open a session and return its token."""
        token = f"ag_{self._random.getrandbits(160):040x}"
        self._open[token] = _Open(name, self._clock.monotonic() + self.seconds)
        mine = [other for other, session in self._open.items() if session.name == name]
        for other in mine[: -self._at_once]:
            self.close(other)
        return token

    def renew(self, token: str, *, same: bool) -> str:
        """Extend a session and return its token: the same, or another."""
        session = self._open.pop(token)
        fresh = token if same else f"ag_{self._random.getrandbits(160):040x}"
        self._open[fresh] = _Open(session.name, self._clock.monotonic() + self.seconds)
        return fresh

    def close(self, token: str) -> None:
        """Close a session for another one."""
        if self._open.pop(token, None) is not None:
            self._closed.add(token)

    def name_of(self, token: str) -> str | None:
        """Return whose living session a token opens."""
        session = self._open.get(token)
        return session.name if session is not None and session.ends_at > self._clock.monotonic() else None

    def was_closed(self, token: str) -> bool:
        """Return whether the session was closed for another one, rather than over."""
        return token in self._closed

    def end_all(self) -> None:
        """Let every token end now."""
        for session in self._open.values():
            session.ends_at = self._clock.monotonic()


class Tickets:
    """Penalties: a ticket lets the very same request through, after a while.

    Args:
        clock: tells when.
        random: of tickets.
    """

    def __init__(self, clock: Clock, random: Random) -> None:
        """Start without any."""
        self._clock = clock
        self._random = random
        self._due: dict[str, tuple[str, float]] = {}

    @staticmethod
    def name(path: str, content: Mapping[str, Any]) -> str:
        """Return the name of a request, without its ticket."""
        plain = {key: str(value) for key, value in content.items() if key != "p-ticket"}
        return hashlib.sha256(json.dumps([path, plain], sort_keys=True).encode()).hexdigest()

    def issue(self, request: str, seconds: float, *, captcha: bool) -> dict[str, Any]:
        """Return the answer that sets a penalty."""
        ticket = f"{self._random.getrandbits(96):024x}"
        self._due[ticket] = request, self._clock.monotonic() + seconds
        return {
            "p-ticket": ticket,
            "p-time": int(seconds) if seconds == int(seconds) else seconds,
            "p-captcha": captcha,
        }

    def fails(self, ticket: str, request: str) -> bool:
        """Return whether a ticket is not for this request, or came too early; a good one is used up."""
        meant, ready_at = self._due.pop(ticket, ("", 0.0))
        return meant != request or ready_at > self._clock.monotonic()


class Locks:
    """423 and 429: whatever is sent while it lasts begins the hour anew."""

    def __init__(self, clock: Clock) -> None:
        """Start unlocked."""
        self._clock = clock
        self._until = 0.0

    def begin(self) -> None:
        """Lock for an hour from now."""
        self._until = self._clock.monotonic() + LOCK

    def holds(self) -> bool:
        """Return whether it is locked; the question itself begins the hour anew."""
        if self._until <= self._clock.monotonic():
            return False
        self.begin()
        return True
