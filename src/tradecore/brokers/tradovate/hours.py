"""The usual week of the exchange's futures: Sunday 17:00 to Friday 16:00 in Chicago, with an hour's halt at 16:00.

Tradovate has no clock to ask. Holidays and products with hours of their own are not in here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from ...trading import MarketClock

__all__ = ["chicago", "is_open", "market_clock"]

_OPENS, _CLOSES = 17, 16
FRIDAY, SATURDAY, SUNDAY = 4, 5, 6


def chicago(moment: datetime) -> datetime:
    """Return ``moment`` in Chicago's time (second Sunday of March to first of November: summer, at 2 o'clock)."""
    # By rule and not by zoneinfo: slim containers come without the zone files.
    year = moment.astimezone(UTC).year
    starts = datetime(year, 3, 8, 8, tzinfo=UTC)
    ends = datetime(year, 11, 1, 7, tzinfo=UTC)
    starts += timedelta(days=(6 - starts.weekday()) % 7)
    ends += timedelta(days=(6 - ends.weekday()) % 7)
    return moment.astimezone(timezone(timedelta(hours=-5 if starts <= moment < ends else -6)))


def is_open(moment: datetime) -> bool:
    """Return whether the exchange's futures usually trade at ``moment``."""
    there = chicago(moment)
    day, hour = there.weekday(), there.hour
    if day == SATURDAY or (day == SUNDAY and hour < _OPENS) or (day == FRIDAY and hour >= _CLOSES):
        return False
    return hour != _CLOSES


def market_clock(at: datetime) -> MarketClock:
    """Return the time and the session at ``at``, to the hour: sessions begin and end on the hour."""
    now_open = is_open(at)
    moment = at.replace(minute=0, second=0, microsecond=0)
    changes: list[datetime] = []
    for _ in range(24 * 8):
        moment += timedelta(hours=1)
        if is_open(moment) != (now_open if len(changes) % 2 == 0 else not now_open):
            changes.append(moment)
        if len(changes) == 2:
            break
    first, second = changes
    return MarketClock(
        at=at,
        is_open=now_open,
        next_open_at=second if now_open else first,
        next_close_at=first if now_open else second,
    )
