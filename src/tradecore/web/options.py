"""The options every door takes, and what a door asks of a core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypedDict

__all__ = ["Guarded", "Options"]


class Options(TypedDict, total=False):
    """The keyword arguments of every door.

    Attributes:
        max_body: bytes a request's body may have, 8 MiB when left out; a longer one is a 413, refused while it
            streams in.
        health: where the health pages are: ``/health`` when left out, with ``/health/live`` and ``/health/ready``
            below it; None for none.
        health_details: whether the health pages show figures, not only states; no when left out.
        trusted_proxies: addresses and networks whose ``x-forwarded-for`` is believed; nobody's when left out.
        carry_writes: whether a client that wrote is given a consistency token, as ``x-consistency-token`` and as a
            cookie, so that its next request reads nothing older from a replica; no when left out.
    """

    max_body: int
    health: str | None
    health_details: bool
    trusted_proxies: Sequence[str]
    carry_writes: bool


class Guarded(Protocol):
    """What a door asks of a core. One that is draining says so with ``draining = True``, if it can."""

    @property
    def is_open(self) -> bool:
        """Whether it works; once it has and does not any more, the door refuses new requests."""
        ...

    @property
    def health(self) -> Any:
        """A :class:`~tradecore.health.Health` or :class:`~tradecore.health.AsyncHealth`."""
        ...
