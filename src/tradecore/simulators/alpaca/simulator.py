"""One paper account at a simulated Alpaca: credentials, rate limit, answers, and the faults in Alpaca's words."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from ...brokers.transport import Incoming, Outgoing
from ..exchange.tickets import Refusal, SimulatedOrder
from ..faults import Fault
from ..pages import proxy_page
from ..simulator import Route, Simulator
from ..windows import FixedWindow, Quota
from . import endpoints
from .refusals import ApiError, duplicate_client_order_id, insufficient_buying_power, refused

__all__ = ["AlpacaSimulator"]

_UNAUTHORIZED = {"message": "unauthorized."}
_TOO_MANY = {"code": 42910000, "message": "rate limit exceeded"}


class AlpacaSimulator(Simulator):
    """The Trading API v2 of Alpaca for one paper account, without a socket; :func:`serve_alpaca` puts it behind one.

    Args:
        keys: key id to secret of the credentials that are good; any are when left out. All share the account.
        rate_limit: requests a minute and key, by the simulator's clock; None for no limit.
        **options: see :class:`~tradecore.simulators.simulator.Simulator`: clock, seed, faults, profile, cash,
            multiplier, shorting, day, day_seconds.

    What it does not do: options, crypto, brackets, extended hours (such an order waits for the session), fees.
    """

    name = "alpaca"
    lacks = frozenset({"penalty", "locked", "evicted", "change_refused"})

    def __init__(self, *, keys: Mapping[str, str] | None = None, rate_limit: int | None = 200, **options: Any) -> None:
        """Open the account."""
        self._keys = None if keys is None else dict(keys)
        self.rate_limit = rate_limit
        super().__init__(**options)

    def reset(self) -> None:
        """Start again: no orders, the first day's cash, counters at zero, armed faults forgotten, the plan kept."""
        with self._lock:
            super().reset()
            self.opened_at = self.clock.now()
            self.by_client_id: dict[str, list[SimulatedOrder]] = {}
            self._window = FixedWindow(self.rate_limit, self.clock) if self.rate_limit else None
            self._quota: Quota | None = None

    @property
    def shorting(self) -> bool:
        """Whether the account may sell short."""
        return self._shorting

    # --- the wire

    def _route(self, request: Outgoing) -> Route:
        call = endpoints.parse(request)
        return Route(call.endpoint.call, call.endpoint.name, call.key, lambda: self._act(call))

    def _act(self, call: endpoints.ApiCall) -> Incoming:
        try:
            status, payload = call.endpoint.act(self, call)
        except ApiError as error:
            status, payload = error.status, error.body
        except Refusal as refusal:
            said = refused(refusal)
            status, payload = said.status, said.body
        return self._json(status, payload)

    def _gate(self, request: Outgoing) -> Incoming | None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        key, secret = headers.get("apca-api-key-id", ""), headers.get("apca-api-secret-key", "")
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if not token and not (key and secret):
            return self._html(401)
        if self._keys is not None and not self._opens(key, secret):
            return self._json(401, _UNAUTHORIZED)
        if self._window is not None:
            self._quota = self._window.take(key or token)
            if not self._quota.allowed:
                return self._json(429, _TOO_MANY)
        return None

    def _opens(self, key: str, secret: str) -> bool:
        good = (self._keys or {}).get(key)
        return good is not None and secrets.compare_digest(good.encode(), secret.encode())

    def _misanswer(self, fault: Fault) -> Incoming:
        details = fault.details
        if fault.name == "unauthorized":
            return self._json(401, _UNAUTHORIZED)
        if fault.name == "throttled":
            return self._throttled(details.get("headers", True), details.get("retry_after"))
        if fault.name == "duplicate_id":
            self.counters["duplicates_refused"] += 1
            return self._json(422, duplicate_client_order_id().body)
        status, body = int(details.get("status", 500)), details.get("body", "json")
        if body == "html":
            return self._html(status)
        if body == "empty":
            return Incoming(status, self._headers("text/plain"), b"")
        return self._json(status, {"code": 50010000, "message": "internal server error occurred"})

    def _throttled(self, with_headers: bool, retry_after: float | None) -> Incoming:
        headers = {name: value for name, value in self._headers().items() if not name.startswith("x-ratelimit")}
        if with_headers:
            reset = int(self.clock.now().timestamp() + (5.0 if retry_after is None else retry_after)) + 1
            headers |= _rate_headers(Quota(False, self.rate_limit or 200, 0, reset))
        if retry_after is not None:
            headers["retry-after"] = f"{retry_after:g}"
        return Incoming(429, headers, _dump(_TOO_MANY))

    def _json(self, status: int, payload: Any) -> Incoming:
        if status == 204:
            return Incoming(204, self._headers(), b"")
        return Incoming(status, self._headers(), _dump(payload))

    def _html(self, status: int) -> Incoming:
        return Incoming(status, self._headers("text/html"), proxy_page(status))

    def _headers(self, content_type: str = "application/json") -> dict[str, str]:
        headers = {"content-type": content_type, "x-request-id": f"{self._random.getrandbits(128):032x}"}
        return headers | (_rate_headers(self._quota) if self._quota else {})

    # --- orders, with what can go wrong with them

    def new_id(self) -> str:
        """Return a new id, from the seed."""
        return self._mint()

    def refuse_known(self, client_order_id: str) -> None:
        """Refuse an id that was used: as a duplicate, or (a fault) for want of buying power.

        Raises:
            ApiError: the refusal.
        """
        known = self.by_client_id.get(client_order_id, ())
        if not known:
            return
        lives = any(order.is_open or order.filled_quantity for order in known)
        if lives and self.faults.also("second_refused", "order", client_order_id):
            self.counters["seconds_refused"] += 1
            raise insufficient_buying_power(buying_power="0", cost_basis="0")
        if self.profile == "unique":
            self.counters["duplicates_refused"] += 1
            raise duplicate_client_order_id()

    def enter(self, order: SimulatedOrder) -> None:
        """Let a placed order act, and whatever goes wrong with it go wrong."""
        self.by_client_id.setdefault(order.client_order_id, []).append(order)
        key = order.client_order_id
        if lag := self.faults.also("lagging", "order", key):
            self._hidden[order.id] = self.clock.monotonic() + float(lag.details["seconds"])
        if odd := self.faults.also("unknown_status", "order", key):
            looks = int(odd.details.get("looks", 1))
            self._odd_words[order.id] = [str(odd.details.get("word", "pending_surveillance"))] * looks
        if self.faults.also("rejected_later", "order", key):
            self.exchange.reject(order)
        else:
            self.exchange.activate(order)

    def cancel(self, order: SimulatedOrder) -> None:
        """Cancel an order, at once or (a fault) after a while.

        Raises:
            Refusal: when it has ended otherwise.
        """
        if order.status == "pending_cancel":
            return
        slow = self.faults.also("slow_cancel", "cancel", order.id) if order.is_open else None
        self.exchange.cancel(order, dwell=slow is not None)
        if slow:
            self._later(float(slow.details["seconds"]), lambda: self._finish_cancel(order))

    def _finish_cancel(self, order: SimulatedOrder) -> None:
        if order.is_open:
            self.exchange.cancel(order)

    def is_hidden(self, order: SimulatedOrder) -> bool:
        """Return whether look-ups by client id and lists do not show the order yet."""
        return self._hidden.get(order.id, 0.0) > self.clock.monotonic()

    def odd_word(self, order: SimulatedOrder) -> str | None:
        """Return the status nobody has heard of that this look shows, or None."""
        words = self._odd_words.get(order.id)
        return words.pop() if words else None


def _rate_headers(quota: Quota) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(quota.limit),
        "x-ratelimit-remaining": str(quota.remaining),
        "x-ratelimit-reset": str(quota.reset_at),
    }


def _dump(payload: Any) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()
