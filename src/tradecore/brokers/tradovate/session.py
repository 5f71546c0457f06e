"""A user's session: one access token, renewed before it ends, and everything that forbids asking for another.

Tradovate closes the oldest of a user's sessions when a third is opened, counts logins and renewals by the hour, and
locks out who goes on asking. So a token is asked for once at a time (:class:`~tradecore.flow.Exclusive`: in a core
across its processes), renewed rather than replaced, and checked before it is given up. Nothing here ever waits: what
must wait is refused as :class:`~tradecore.errors.Penalized`, with the time left.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...clock import Clock
from ...errors import AuthenticationFailed, BrokerError, LockTimeout, NotSent, Penalized
from ...flow import Call, Exclusive, Flow, Reply
from ...redact import MASK
from ..reading import instant, served_at
from .answers import fingerprint, penalty_in
from .connection import Credentials

__all__ = ["Session", "Token"]

RENEW_BEFORE = 900.0
LOCK = 3600.0
HOUR = 3600.0
LOGINS = 5  # an hour and address; failures count
RENEWALS = 15
STILL_GOOD = 30.0  # seconds a token must have left to be used although its renewal failed
UNSAID = 1800.0  # where an answer does not say when its token ends: less than any life that was documented or seen
UNCLEAR = 3  # answers that do not say whether a session stands, until it is given up
TICKETS = 256


@dataclass(frozen=True, slots=True)
class Token:
    """An access token.

    Attributes:
        value: what proves who we are.
        ends_at: the clock's monotonic reading at which it ends, by the server's own time.
        renew_at: the reading from which it is renewed.
        suspect: whether an answer makes one doubt it: checked before it is used again.
    """

    value: str
    ends_at: float
    renew_at: float
    suspect: bool = False

    def __repr__(self) -> str:
        """Show no token."""
        return f"Token(ends_at={self.ends_at:.0f}, suspect={self.suspect})"


class Session:
    """The session of one user in one environment.

    Args:
        credentials: the user's.
        clock: tells how long a token lives, and how long a penalty lasts.
        key: names the user and environment, for the lock.
        broker: the broker's name, for errors.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, credentials: Credentials, clock: Clock, *, key: str, broker: str, timeout: float) -> None:
        """Start without a token."""
        self._credentials = credentials
        self._clock = clock
        self._key = key
        self._broker = broker
        self._timeout = timeout
        self._token: Token | None = None
        self._locked_until = 0.0
        self._refused: tuple[str, float] = ("", 0.0)
        self._tickets: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._logins: deque[float] = deque(maxlen=LOGINS)
        self._renewals: deque[float] = deque(maxlen=RENEWALS)
        self._unclear = 0

    def headers(self) -> dict[str, str]:
        """Return what proves who we are; nothing while there is no token."""
        token = self._token
        return {} if token is None else {"authorization": f"Bearer {token.value}"}

    @property
    def lock_left(self) -> float:
        """Seconds until Tradovate's lock is over; 0 without one."""
        return max(0.0, self._locked_until - self._clock.monotonic())

    # --- before a call

    def require(self) -> None:
        """Raise what :meth:`ensure` would have to wait for: a send is committed, and nothing is asked any more.

        Raises:
            NotSent: there is no token to call with.
        """
        self._allowed()
        token = self._token  # due for renewal it still opens: renewals are counted, and may have failed
        if token is None or token.suspect or token.ends_at <= self._clock.monotonic():
            raise NotSent(f"{self._broker}: the session must be seen to first", broker=self._broker)

    def ensure(self) -> Flow[None]:
        """Return once there is a token to call with; without any effect where there is.

        Raises:
            NotSent: there is none now. ``AuthenticationFailed``: only a person can help; ``Penalized``: not yet.
        """
        self._allowed()
        if self._is_good():
            return
        try:
            yield from Exclusive(self._key, self._make_good)
        except LockTimeout:
            raise NotSent(
                f"{self._broker}: somebody else has been renewing the session for too long", broker=self._broker
            ) from None

    def ticketed(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of a request, with the ticket that an earlier penalty gave it.

        Raises:
            Penalized: its time has not come, or nothing may be sent at all.
        """
        self._allowed()
        name = fingerprint(path, content)
        held = self._tickets.get(name)
        if held is None:
            return dict(content)
        ticket, ready_at = held
        left = ready_at - self._clock.monotonic()
        if left > 0:
            raise Penalized(f"{self._broker} set a penalty for this request", broker=self._broker, retry_after=left)
        self._tickets.pop(name, None)
        return {**content, "p-ticket": ticket}

    # --- after a call

    def heard(self, path: str, content: Mapping[str, Any], reply: Reply) -> None:
        """Take note of what an answer says about the session: a penalty, a lock, or that the token may be dead."""
        penalty = penalty_in(reply)
        if penalty is not None and penalty.captcha:
            self._refuse("it wants a captcha solved: log in by hand", LOCK)
        elif penalty is not None:
            self._tickets[fingerprint(path, content)] = penalty.ticket, self._clock.monotonic() + penalty.seconds
            while len(self._tickets) > TICKETS:
                self._tickets.popitem(last=False)
        elif reply.status in (423, 429):
            self._locked_until = self._clock.monotonic() + LOCK
        elif reply.status in (401, 403, 404, 408) and (token := self._token) is not None:
            # An evicted session was seen to answer 408 and worse, and a 401 may speak of the order alone.
            self._token = replace(token, suspect=True)

    # --- the token

    def _allowed(self) -> None:
        left = self.lock_left
        if left:
            raise Penalized(
                f"{self._broker} has locked this user out; whatever is sent now makes it longer",
                broker=self._broker,
                retry_after=left,
            )
        reason, until = self._refused
        if reason and until > self._clock.monotonic():
            raise AuthenticationFailed(f"{self._broker} does not let this user in: {reason}", broker=self._broker)

    def _is_good(self) -> bool:
        token = self._token
        return token is not None and not token.suspect and self._clock.monotonic() < token.renew_at

    def _make_good(self) -> Flow[None]:
        if self._is_good():
            return  # whoever had the lock before us did it
        token = self._token
        if token is not None and token.ends_at > self._clock.monotonic():
            if token.suspect and (yield from self._is_alive()):
                token = self._token = replace(token, suspect=False)
            if not token.suspect:
                if self._is_good() or (yield from self._renew()):
                    return
                token = self._token
                if token is not None and token.ends_at - self._clock.monotonic() > STILL_GOOD:
                    return
        yield from self._log_in()

    def _is_alive(self) -> Flow[bool]:
        """Ask whether the token still opens: logging in anew would close somebody else's session."""
        reply = yield from self._ask("GET", "/v1/auth/me", {})
        if reply.status in (401, 403, 404, 408):
            return False
        if reply.status != 200 or not isinstance(reply.body, Mapping):
            self._unclear += 1
            if self._unclear < UNCLEAR:
                raise NotSent(f"{self._broker} did not say whether the session stands", broker=self._broker)
            return False  # a closed session may be answered so for ever; logins are counted in any case
        self._unclear = 0
        return "userId" in reply.body and not reply.body.get("errorText")

    def _renew(self) -> Flow[bool]:
        now = self._clock.monotonic()
        if len(self._renewals) == RENEWALS and now - self._renewals[0] < HOUR:
            return False
        try:
            reply = yield from self._ask("GET", "/v1/auth/renewaccesstoken", {}, self._renewals)
        except BrokerError:
            reply = Reply(0)
        if self._take(reply):
            return True
        token = self._token
        if reply.status in (401, 403) or (isinstance(reply.body, Mapping) and reply.body.get("errorText")):
            self._token = None
        elif token is not None:
            self._token = replace(token, renew_at=min(token.ends_at - STILL_GOOD, now + 60.0))
        return False

    def _log_in(self) -> Flow[None]:
        now = self._clock.monotonic()
        self._unclear = 0
        if len(self._logins) == LOGINS and now - self._logins[0] < HOUR:
            raise Penalized(
                f"{self._broker}: {LOGINS} logins within an hour are as many as it takes",
                broker=self._broker,
                retry_after=HOUR - (now - self._logins[0]),
            )
        self._token = None  # no request for a token carries one
        reply = yield from self._ask("POST", "/v1/auth/accesstokenrequest", self._credentials.body(), self._logins)
        if self._take(reply):
            return
        body = reply.body if isinstance(reply.body, Mapping) else {}
        penalty = penalty_in(reply)
        if penalty is not None or self.lock_left:
            self._allowed()
            wait = penalty.seconds if penalty is not None else None
            raise Penalized(f"{self._broker} lets nobody log in just now", broker=self._broker, retry_after=wait)
        if reply.status == 200 and (body.get("errorText") or body.get("userStatus")):
            # Asked again, it would only count as one more failure.
            status = body.get("userStatus")
            said = f"the user is {status}" if status else "name, password or key are wrong"
            self._refuse(said, LOCK if status == "TemporaryLocked" else float("inf"))
            self._allowed()
        raise NotSent(f"{self._broker} gave no access token (HTTP {reply.status})", broker=self._broker)

    def _ask(self, method: str, path: str, content: dict[str, str], counted: deque[float] | None = None) -> Flow[Reply]:
        body = self.ticketed(path, content)
        if counted is not None:
            counted.append(self._clock.monotonic())
        try:
            reply = yield from Call(method, path, body=body or None, kind="idempotent", timeout=self._timeout)
        except NotSent:
            raise
        except BrokerError as error:
            # Whatever became of it, it was no order.
            raise NotSent(f"{self._broker}: no session: {error.message}", broker=self._broker) from None
        self.heard(path, content, reply)
        return reply

    def _take(self, reply: Reply) -> bool:
        body = reply.body
        if reply.status != 200 or not isinstance(body, Mapping) or body.get("errorText"):
            return False
        value, status = body.get("accessToken"), body.get("userStatus", "Active")
        if not isinstance(value, str) or not value or status != "Active":
            return False
        if value == MASK:
            # A renewal may hand out the same token, and the client masks in answers what it sends as a credential.
            if self._token is None:
                return False
            value = self._token.value
        now = self._clock.monotonic()
        ends = instant(body.get("expirationTime"))
        # By the server's own clock: ours may be wrong.
        life = UNSAID if ends is None else (ends - (served_at(reply) or self._clock.now())).total_seconds()
        life = max(life, 0.0)
        self._token = Token(value, now + life, now + life - min(RENEW_BEFORE, life / 3))
        return True

    def _refuse(self, why: str, seconds: float) -> None:
        self._refused = why, self._clock.monotonic() + seconds

    def __repr__(self) -> str:
        """Show no secret."""
        return f"<Session {self._key} {self._token!r}>"
