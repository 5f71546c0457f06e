"""What a limiter answers: one decision with all its figures, and the header fields that tell a client."""

from __future__ import annotations

import base64
from math import ceil
from typing import NamedTuple

from .rates import Outage, Policy

__all__ = ["Decision", "rate_limit_headers"]


class Decision(NamedTuple):
    """Whether something may pass, and what is left. It is true where it may.

    Attributes:
        allowed: whether it may.
        limit: units a period.
        remaining: units that could pass now, after this one.
        reset_after: seconds until everything is there again if nothing more is taken.
        retry_after: seconds until the same would pass; 0 where it passed.
        policy: what decided: of several, the one that refuses longest, else the one with the least left.
        outage: how it was decided without the shared store: ``local``, ``open`` or ``closed``; None with it.
        key: whose units they are; a digest of the parts where it is not one short text.
        cost: units asked for.
        at: when it passed: monotonic seconds in memory, the server's microseconds in Redis.
        parts: the decision of each policy, where several decided together.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_after: float
    retry_after: float
    policy: Policy
    outage: Outage | None = None
    key: str | bytes = ""
    cost: int = 1
    at: float = 0.0
    parts: tuple[Decision, ...] = ()

    def __bool__(self) -> bool:
        """Return whether it may pass."""
        return self.allowed

    @property
    def each(self) -> tuple[Decision, ...]:
        """The decision of each policy; itself where it is one."""
        return self.parts or (self,)

    @property
    def sentence(self) -> str:
        """The refusal in words."""
        name = self.policy.name or "the pace"
        if self.outage is not None:
            return f"{name}: {self.policy.rate} cannot be counted now"
        return f"{name}: {self.policy.rate} is used up"


def together(parts: tuple[Decision, ...]) -> Decision:
    """Return the decision of several policies on one thing: it passes where all let it."""
    if len(parts) == 1:
        return parts[0]
    if all(part.allowed for part in parts):
        least = min(parts, key=lambda part: part.remaining)
        return least._replace(parts=parts)
    return max(parts, key=lambda part: part.retry_after)._replace(parts=parts)


def held(decision: Decision, seconds: float) -> Decision:
    """Return the refusal that a block for ``seconds`` makes of ``decision``, which took nothing."""
    return decision._replace(
        allowed=False,
        retry_after=max(seconds, decision.retry_after),
        reset_after=max(seconds, decision.reset_after),
        remaining=0,
        parts=(),
    )


def rate_limit_headers(
    decision: Decision, *, partition: bytes | None = None, legacy: bool = False
) -> list[tuple[str, str]]:
    """Return the header fields of a response that ``decision`` stood before.

    ``RateLimit-Policy`` and ``RateLimit`` as in draft-ietf-httpapi-ratelimit-headers (revision 11), one item a policy;
    ``Retry-After`` in whole seconds, rounded up, on a refusal only, where ``t`` names the same instant.

    Args:
        decision: of this request.
        partition: names the client's partition (``pk``), not secret; left out where None.
        legacy: whether the ``X-RateLimit-`` fields of old go along.
    """
    pk = f";pk=:{base64.b64encode(partition).decode()}:" if partition is not None else ""
    policies, states = [], []
    for part in decision.each:
        policy, name = part.policy, _quoted(part.policy.name or "default")
        policies.append(f"{name};q={policy.limit};w={ceil(policy.period)}{pk}")
        states.append(f"{name};r={part.remaining};t={_seconds(part)}{pk}")
    fields = [("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(states))]
    if legacy:
        fields += [
            ("X-RateLimit-Limit", str(decision.limit)),
            ("X-RateLimit-Remaining", str(decision.remaining)),
            ("X-RateLimit-Reset", str(_seconds(decision))),
        ]
    if not decision.allowed:
        fields.append(("Retry-After", str(_seconds(decision))))
    return fields


def _seconds(decision: Decision) -> int:
    return ceil(decision.reset_after if decision.allowed else decision.retry_after)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
