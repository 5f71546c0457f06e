"""Who and what this work is for: request, trace, actor and tenant ids in context variables. Standard library only.

Whoever drives a flow binds them (a web door, the worker); flows read them and never bind.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

__all__ = ["Context", "bind", "current_context", "enter", "leave", "new_request_id", "well_formed_request_id"]

_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,128}\Z")


class Context(NamedTuple):
    """What the present work belongs to.

    Attributes:
        request_id: the request's id, 8 to 128 characters.
        trace: a W3C ``traceparent``, or "".
        actor_type: ``user``, ``system`` or ``api_key``.
        actor_id: who acts.
        tenant: whose data it is; "" where there is one tenant.
        ip_address: the client's address.
        user_agent: the client's software.
    """

    request_id: str | None = None
    trace: str = ""
    actor_type: str = "system"
    actor_id: str | None = None
    tenant: str = ""
    ip_address: str | None = None
    user_agent: str | None = None


_CURRENT: ContextVar[Context] = ContextVar("tradecore_context", default=Context())

# Make a context the present one, whole: nothing of the old one shows through. `leave` puts the old one back, given
# what `enter` returned. They are the variable's own methods, since a web door calls them for every request.
enter = _CURRENT.set
leave = _CURRENT.reset


def current_context() -> Context:
    """Return the context of the present task or thread."""
    return _CURRENT.get()


@contextmanager
def bind(**changes: Any) -> Iterator[Context]:
    """Change fields of the context inside the block, and put the old ones back after it."""
    context = Context(**{**_CURRENT.get()._asdict(), **changes})
    token = _CURRENT.set(context)
    try:
        yield context
    finally:
        _CURRENT.reset(token)


def new_request_id() -> str:
    """Return a new request id: 32 hexadecimal digits that sort by time."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def well_formed_request_id(text: str | None) -> str | None:
    """Return ``text`` if it may serve as a request id (8 to 128 of ``[A-Za-z0-9._-]``), else None."""
    return text if text is not None and _WELL_FORMED.match(text) else None
