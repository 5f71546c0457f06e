"""What a request says about itself: its id, its trace, where it comes from. Nothing of it is believed unseen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from ..context import Context, new_request_id, well_formed_request_id
from ..errors import ConfigurationError

__all__ = ["Networks", "client_address", "context_of", "networks"]

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

# W3C trace context, version 00, strictly: https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
_UNPRINTABLE = re.compile(r"[^ -~]")
_LONGEST_AGENT = 255


def networks(addresses: Sequence[str]) -> Networks:
    """Read the trusted proxies.

    Raises:
        ConfigurationError: listing every address that is none.
    """
    found, problems = [], []
    for address in addresses:
        try:
            found.append(ip_network(address, strict=False))
        except ValueError:
            problems.append(f"the trusted proxy {address!r} is no IP address or network")
    if problems:
        raise ConfigurationError.of(problems)
    return tuple(found)


def context_of(request_id: str | None, trace: str | None, agent: str | None, peer: str | None) -> Context:
    """Return the context of a request: the id kept if well formed, else a new one.

    Args:
        request_id: its x-request-id.
        trace: its traceparent; dropped unless strictly well formed.
        agent: its user-agent; cut to 255 printable characters.
        peer: the client's address.
    """
    if agent is not None and not (len(agent) <= _LONGEST_AGENT and agent.isascii() and agent.isprintable()):
        agent = _UNPRINTABLE.sub("?", agent[:_LONGEST_AGENT])
    return Context(
        well_formed_request_id(request_id) or new_request_id(),
        trace if trace and _TRACEPARENT.match(trace) else "",
        "system",
        None,
        "",
        peer,
        agent,
    )


def client_address(peer: str | None, forwarded: str | None, trusted: Networks) -> str | None:
    """Walk x-forwarded-for from our side: the first address that is no proxy of ours is the client."""
    client = peer
    if not forwarded:
        return client
    for hop in reversed(forwarded.split(",")):
        if client is None or not _is_trusted(client, trusted):
            break
        try:
            client = str(ip_address(hop.strip()))
        except ValueError:  # a proxy of ours does not write that; what stands before it is anybody's word
            break
    return client


@lru_cache(maxsize=1024)
def _is_trusted(address: str, trusted: Networks) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in trusted)
