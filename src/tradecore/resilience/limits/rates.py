"""What may be asked of a limiter: rates as people write them, strategies by name, keys that cannot be confused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, NamedTuple, TypeAlias, get_args

from limits import parse_many

from ...errors import ConfigurationError

__all__ = [
    "LONGEST",
    "LONGEST_KEY",
    "Claim",
    "Limit",
    "Outage",
    "Policy",
    "StoreUnavailable",
    "Strategy",
    "check_cost",
    "digest",
    "key_of",
    "policies_of",
]

Strategy: TypeAlias = Literal["exact-log", "gcra", "fixed-window", "sliding-window-counter"]
Outage: TypeAlias = Literal["local", "open", "closed"]

_STRATEGIES: tuple[str, ...] = get_args(Strategy)
# What `limits` calls a moving window is the exact log.
_SYNONYMS = {"moving-window": "exact-log"}
LONGEST = 10 * 366 * 86_400  # seconds
# limits reads "5 per 0 minutes" as "5 per 1 minute".
_NO_PERIOD = re.compile(r"(?:/|per)\s*0+\s*[a-z]", re.IGNORECASE)
LONGEST_KEY = 64


@dataclass(frozen=True, slots=True)
class Limit:
    """One rate and how it is counted.

    Attributes:
        rate: in the notation of the ``limits`` library: ``"200/minute"``, ``"10 per 5 seconds"``.
        strategy: ``exact-log``, ``gcra``, ``fixed-window`` or ``sliding-window-counter``; the limiter's when left out.
        burst: how many may pass at once under ``gcra``; all of the rate's when left out.
    """

    rate: str
    strategy: str | None = None
    burst: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A limit in figures, under a name.

    Attributes:
        name: what is limited.
        rate: as it was written.
        limit: so many units in a period.
        period: seconds.
        strategy: how they are counted.
        burst: so many units at once, at most ``limit``.
        id: tells it from every other policy.
    """

    name: str
    rate: str
    limit: int
    period: float
    strategy: Strategy
    burst: int
    id: str

    def share(self, processes: int) -> Policy:
        """Return one process' part of it, at least 1."""
        limit, burst = max(1, self.limit // processes), max(1, self.burst // processes)
        return Policy(self.name, self.rate, limit, self.period, self.strategy, min(limit, burst), self.id)


class StoreUnavailable(Exception):
    """The shared store did not answer in time, or not as it should."""


class Claim(NamedTuple):
    """So many units of one policy for one key."""

    policy: Policy
    key: str | bytes
    cost: int = 1


def policies_of(
    name: str, limits: str | Limit | Iterable[str | Limit], strategy: str, burst: int | None = None
) -> tuple[Policy, ...]:
    """Read the limits under one name; text may hold several rates, ``"10/second; 200/minute"``.

    Raises:
        ConfigurationError: listing everything wrong with them.
    """
    problems: list[str] = []
    found: dict[str, Policy] = {}
    if isinstance(limits, str | Limit) or not isinstance(limits, Iterable):
        limits = [limits]
    for limit in limits:
        one = limit if isinstance(limit, Limit) else Limit(limit)
        for policy in _read(name, one, one.strategy or strategy, one.burst or burst, problems):
            found[policy.id] = policy
    if not found and not problems:
        problems.append(f"{name or 'the limiter'} has no limit")
    if problems:
        raise ConfigurationError.of(problems)
    return tuple(found.values())


def _read(name: str, limit: Limit, strategy: str, burst: int | None, problems: list[str]) -> Iterable[Policy]:
    rate, known = limit.rate, _SYNONYMS.get(strategy, strategy)
    if known not in _STRATEGIES:
        problems.append(f"there is no strategy {strategy!r}: choose among {', '.join(_STRATEGIES)}")
        return
    try:
        items = parse_many(rate)
    except (ValueError, TypeError):
        problems.append(f'the rate {rate!r} cannot be read: write it like "200/minute" or "5 per 10 seconds"')
        return
    if _NO_PERIOD.search(rate):
        problems.append(f"the rate {rate!r} has no period")
        return
    for item in items:
        amount, period = item.amount, float(item.get_expiry())
        if amount < 1:
            problems.append(f"the rate {rate!r} lets nothing through")
        elif period > LONGEST:
            problems.append(f"the period of {rate!r} is longer than ten years")
        elif burst is not None and not (known == "gcra" and 1 <= burst <= amount):
            problems.append(f"a burst of {burst} does not go with {rate!r} and {known}: 1 to {amount}, gcra only")
        else:
            most = burst if burst is not None else amount
            written = f"{amount} per {period:g} s"
            identity = f"{name}:{amount}/{period:g}:{known}" + (f":{burst}" if burst else "")
            yield Policy(name, written, amount, period, known, most, identity)  # type: ignore[arg-type]


def check_cost(policies: Sequence[Policy], cost: int) -> None:
    """See that ``cost`` can pass at all.

    Raises:
        ValueError: if it never can; nobody shall wait for that.
    """
    for policy in policies:
        if not 1 <= cost <= policy.burst or type(cost) is not int:
            raise ValueError(f"a cost of {cost!r} never passes {policy.name or 'the pace'}: 1 to {policy.burst}")


def digest(parts: Sequence[str | int]) -> bytes:
    """Return 16 bytes that stand for the parts: ("a/b", "c") and ("a", "b/c") are two keys.

    Raises:
        TypeError: for a part that is neither text nor a whole number; nobody's ``None`` is somebody's key.
    """
    state = blake2b(digest_size=16)
    for part in parts:
        if not isinstance(part, str | int) or isinstance(part, bool):
            raise TypeError(f"a key is made of text and whole numbers, not of {type(part).__name__}")
        content = str(part).encode("utf-8", "surrogatepass")
        state.update(len(content).to_bytes(8, "big"))
        state.update(content)
    return state.digest()


def key_of(parts: tuple[str | int, ...]) -> str | bytes:
    """Return what a table in memory files ``parts`` under: a short text itself, else the digest, which is no text."""
    if len(parts) == 1:
        (part,) = parts
        text = str(part) if type(part) is int else part
        if type(text) is str and len(text) <= LONGEST_KEY:
            return text
    return digest(parts)
