"""Which addresses an adapter may speak to: the broker's own hosts, compared whole, or this machine."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ..trading import Environment
from .transport import is_loopback

__all__ = ["problems_with_url"]


def problems_with_url(url: str, environment: Environment, hosts: Mapping[Environment, str]) -> list[str]:
    """Return what is wrong with an address. Only the broker's own host of the environment will do, or this machine.

    The host is compared whole: looking for a part of it has let live addresses through.

    Args:
        url: the address.
        environment: what the connection is meant to be.
        hosts: the broker's base addresses.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ["the base URL cannot be read"]
    if parts.username is not None or parts.password is not None:
        return ["the base URL must not hold credentials"]
    if parts.path or parts.query or parts.fragment:
        return ["the base URL must end with the host: the paths are ours"]
    if is_loopback(url):
        return (
            []
            if parts.scheme in ("http", "https")
            else [f"the base URL must start with http://, not {parts.scheme}://"]
        )
    wanted = urlsplit(hosts[environment])
    if parts.scheme == wanted.scheme and host == wanted.hostname and port in (None, 443):
        return []
    other = next(name for name in hosts if name is not environment)
    if host == urlsplit(hosts[other]).hostname:
        how = "live=True" if other is Environment.LIVE else "live=False"
        return [f"the base URL is the {other.value} host, but this connection is {environment.value}; say {how}"]
    return [f"the base URL must be {hosts[environment]} or an address of this machine"]
