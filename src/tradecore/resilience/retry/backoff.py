"""How long to wait before a retry: decorrelated jitter, and what the other side asks for."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

from tenacity import RetryCallState
from tenacity.wait import wait_base

__all__ = ["asked_wait", "wait_decorrelated"]


class wait_decorrelated(wait_base):  # noqa: N801  (it stands beside tenacity's own)
    """Wait between ``base`` and three times the last wait, at most ``cap`` seconds.

    Those who failed together come back apart, and apart from where they would have come the time before. Source: M.
    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Args:
        base: the shortest wait, in seconds.
        cap: the longest.
        source: of randomness; the module's when left out.
    """

    def __init__(self, base: float = 0.1, cap: float = 10.0, source: random.Random | None = None) -> None:
        """Remember both."""
        self.base = base
        self.cap = cap
        self._uniform = (source or random).uniform

    def __call__(self, retry_state: RetryCallState) -> float:
        """Return the seconds to wait after this failure."""
        last = max(self.base, retry_state.upcoming_sleep)
        return min(self.cap, self._uniform(self.base, 3 * last))


def asked_wait(source: Any, now: datetime) -> float | None:
    """Return the seconds for which ``source``, an error or a response, asks to be left alone; None if it does not.

    An error's own ``retry_after`` counts first (seconds, or a timedelta), then a ``Retry-After`` header (seconds, or an
    HTTP date, read against the response's own ``Date``) of it or of its ``response``. What cannot be read asks nothing.

    Args:
        source: what was raised or returned.
        now: our own time, aware.
    """
    asked = getattr(source, "retry_after", None)
    if isinstance(asked, timedelta):
        return max(0.0, asked.total_seconds())
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        return max(0.0, float(asked)) if isfinite(asked) else None
    for holder in (getattr(source, "response", None), source):
        headers = getattr(holder, "headers", None)
        if isinstance(headers, Mapping) and (wait := _of_headers(headers, now)) is not None:
            return wait
    return _read(asked, now) if isinstance(asked, str) else None


def _of_headers(headers: Mapping[Any, Any], now: datetime) -> float | None:
    lowered = {str(name).lower(): value for name, value in headers.items()}
    text = lowered.get("retry-after")
    return _read(str(text), _instant(str(lowered.get("date", ""))) or now) if text is not None else None


def _read(text: str, now: datetime) -> float | None:
    text = text.strip()
    # RFC 9110: digits, or a date. float() reads more than that: "1e300", "nan", "infinity".
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text[:20])
    until = _instant(text)
    return None if until is None else max(0.0, (until - now).total_seconds())


def _instant(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
