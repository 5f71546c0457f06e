"""The consistency token on its way: out after a request that wrote, in with the same client's next one.

It is a header for programs and a cookie for browsers, and need not be signed: who forges one is made to wait for
a replica that never comes so far, and then reads from the primary. What is no token at all counts as none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http.cookies import CookieError, SimpleCookie
from typing import Any

from ..errors import InvalidInput

__all__ = ["COOKIE", "HEADER", "Carrier", "carried", "lost"]

HEADER = "x-consistency-token"
COOKIE = "tradecore-seen"
_KEPT_FOR = 60  # seconds: a replica farther behind is not lent anyway

_log = logging.getLogger("tradecore.web")


class Carrier:
    """Carries the token of one database, of either colour."""

    def __init__(self, db: Any) -> None:
        """Carry for ``db``."""
        self.db = db

    def begin(self, header: str | None, cookies: str | None) -> str:
        """Let this request read what its client has seen; return the token that was brought, or ""."""
        for token in (header, *_tokens(cookies or "")):
            try:
                if token:
                    self.db.follow(token)
                    return token
            except InvalidInput:
                continue
        self.db.follow()
        return ""

    @property
    def must_ask(self) -> bool:
        """Whether the token of this request has to be asked for at the primary: it wrote."""
        sight = self.db.sights.present()
        return sight is not None and bool(sight.due)


def carried(token: str, brought: str, *, secure: bool) -> list[tuple[str, str]]:
    """Return the headers that carry ``token``; none where the client has it already, or there is none."""
    if not token or token == brought:
        return []
    attributes = f"; Path=/; Max-Age={_KEPT_FOR}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return [(HEADER, token), ("set-cookie", f"{COOKIE}={token}{attributes}")]


def lost(error: Exception) -> list[tuple[str, str]]:
    """Say that a token could not be had, which is no reason to fail a request that was served."""
    _log.warning("no consistency token for this response: %s", type(error).__name__)
    return []


def _tokens(cookies: str) -> Iterator[str]:
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return
    if found is not None:
        yield found.value
