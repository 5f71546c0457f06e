"""Quotas on routes: the decision's header fields go out with the response, a refusal is a 429 in the envelope.

Inside FastAPI and Starlette it is :func:`~tradecore.web.starlette.limited`, inside Flask
:func:`~tradecore.web.flask.limited`; any other application behind a door calls :func:`spend` itself, with the scope
or the environ of its request. Nothing here asks a store.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, TypeAlias

from ..context import current_context
from ..resilience import Decision, rate_limit_headers
from ..resilience.limits.quotas import passed

__all__ = ["NOTED", "Key", "as_key", "spend", "whoever"]

Key: TypeAlias = str | int | tuple[str | int, ...]

NOTED = "tradecore.rate_limit"


def whoever() -> tuple[str, str]:
    """Return whose quota it is if nothing else is said: the context's actor in its tenant, else the address."""
    context = current_context()
    if context.actor_id is not None:
        return (f"{context.tenant}/{context.actor_type}", context.actor_id)
    return ("address", context.ip_address or "")


def as_key(key: Key) -> tuple[str | int, ...]:
    """Return the parts of a key."""
    return key if isinstance(key, tuple) else (key,)


def spend(request: MutableMapping[str, Any], decision: Decision) -> Decision:
    """Have the door tell the client what ``decision`` left, and refuse the request if it does.

    Args:
        request: the request's ASGI scope or WSGI environ.
        decision: of a :class:`~tradecore.resilience.Quotas`.

    Raises:
        RateLimited: for a refusal.
    """
    noted: dict[str, str] = request.setdefault(NOTED, {})
    for name, value in rate_limit_headers(decision):
        if name != "Retry-After":  # the error brings it
            noted[name] = f"{noted[name]}, {value}" if name in noted else value
    return passed(decision)
