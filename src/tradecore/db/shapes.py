"""Text columns with a shape: e-mail, IP address, currency, time zone, time of day; checked and spelled one way.

What is no such thing is refused when it is written, the same on every database.
"""

from __future__ import annotations

import re
from datetime import time
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from zoneinfo import available_timezones

from sqlalchemy import String, TypeDecorator
from sqlalchemy.engine import Dialect

from .types import ExactString

__all__ = ["Currency", "Email", "IpAddress", "TimeOfDay", "TimeZone"]

# Anything but blanks, controls, surrogates and a second @: what lies beyond the shape, only a letter sent there tells.
_EMAIL = re.compile(
    r"[^\s@\x00-\x1f\x7f\ud800-\udfff]{1,64}@[^\s@\x00-\x1f\x7f\ud800-\udfff.]+(\.[^\s@\x00-\x1f\x7f\ud800-\udfff.]+)*"
)
_CURRENCY = re.compile("[A-Z]{3}")
_TIME_OF_DAY = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")


class Email(ExactString):
    """An e-mail address (RFC 5321: 64 octets before the @, 254 in all), kept and compared in lower case.

    320 characters, as many schemas have it, is the sum of two limits that never meet.
    """

    cache_ok = True
    most, most_before_the_at = 254, 64

    def __init__(self) -> None:
        """Take nothing: the length is the standard's."""
        super().__init__(self.most)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Lower it.

        Raises:
            ValueError: if it is no address, or too long; the address is not repeated.
        """
        if value is None:
            return None
        text = str(value).lower()
        if _EMAIL.fullmatch(text) is None:
            raise ValueError("this is no e-mail address: one looks like name@example.com")
        octets, before = len(text.encode()), len(text.partition("@")[0].encode())
        if octets > self.most or before > self.most_before_the_at:
            raise ValueError(
                f"an e-mail address has at most {self.most} octets, {self.most_before_the_at} before the @"
            )
        return super().process_bind_param(text, dialect)


class IpAddress(TypeDecorator[str]):
    """An IPv4 or IPv6 address in its one spelling: lower case, zeros shortened, no zone; IPv4 in IPv6 is IPv4.

    45 characters hold every spelling there is.
    """

    impl = String(45)
    cache_ok = True

    def __init__(self, *, forgiving: bool = False) -> None:
        """Choose what becomes of text that is no address.

        Args:
            forgiving: leave it out (NULL) instead of refusing the row. For records that must never fail to be
                written: a server behind a Unix socket, or a test client, has a peer without an address.
        """
        super().__init__()
        self.forgiving = forgiving

    def process_bind_param(self, value: str | IPv4Address | IPv6Address | None, dialect: Dialect) -> str | None:
        """Spell it.

        Raises:
            ValueError: if it is no address.
        """
        if value is None:
            return None
        try:
            return _spelled(ip_address(value))
        except ValueError:
            if self.forgiving:
                return None
            raise ValueError("this is no IP address") from None


def _spelled(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Address(int(address)))
    return str(address)


class Currency(TypeDecorator[str]):
    """A currency's code (ISO 4217): three capital letters. Whether there is such a currency is not looked up."""

    impl = String(3)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Check it.

        Raises:
            ValueError: if it has another shape.
        """
        if value is not None and _CURRENCY.fullmatch(value) is None:
            raise ValueError("a currency is three capital letters, such as USD")
        return value


class TimeZone(TypeDecorator[str]):
    """The IANA name of a time zone, such as America/New_York; its rules come from the machine's data, or tzdata's."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Check it.

        Raises:
            ValueError: if there is no such zone.
        """
        if value is not None and value not in _zones():
            missing = "" if _zones() else " (this machine has no time zone data: pip install tzdata)"
            raise ValueError(f"this is no time zone: one looks like America/New_York{missing}")
        return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class TimeOfDay(TypeDecorator[str]):
    """A time of day to the minute, ``HH:MM`` from 00:00 to 23:59, in a zone that another column names."""

    impl = String(5)
    cache_ok = True

    def process_bind_param(self, value: str | time | None, dialect: Dialect) -> str | None:
        """Check it, and spell a ``time``.

        Raises:
            ValueError: if it has another shape.
        """
        if isinstance(value, time):
            if value.second or value.microsecond or value.tzinfo is not None:
                raise ValueError("a time of day has hours and minutes, and no zone of its own")
            return value.strftime("%H:%M")
        if value is not None and _TIME_OF_DAY.fullmatch(value) is None:
            raise ValueError("a time of day is HH:MM, from 00:00 to 23:59")
        return value
