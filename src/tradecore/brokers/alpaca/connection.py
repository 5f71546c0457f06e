"""Alpaca's addresses and credentials: compared exactly, never shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn
from urllib.parse import urlsplit

from ...trading import Environment
from ..transport import is_loopback

__all__ = ["HOSTS", "Credentials", "problems_with_url"]

HOSTS: Mapping[Environment, str] = MappingProxyType(
    {
        Environment.PAPER: "https://paper-api.alpaca.markets",
        Environment.LIVE: "https://api.alpaca.markets",
    }
)


class Credentials:
    """An API key pair that cannot be printed, pickled or copied into an error."""

    __slots__ = ("__key", "__secret")

    def __init__(self, key: str, secret: str) -> None:
        """Keep the pair."""
        self.__key = key
        self.__secret = secret

    def problems(self) -> list[str]:
        """Return what is wrong with the pair, without quoting it."""
        found = []
        for name, value in (("key", self.__key), ("secret", self.__secret)):
            if not isinstance(value, str) or not value:
                found.append(f"the {name} is empty")
            elif not all("!" <= character <= "~" for character in value):
                found.append(f"the {name} holds blanks or characters that no header can carry")
        return found

    def headers(self) -> dict[str, str]:
        """Return the headers that prove who we are."""
        return {"apca-api-key-id": self.__key, "apca-api-secret-key": self.__secret}

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("credentials are not pickled or copied; make the broker anew where it is needed")

    def __repr__(self) -> str:
        """Show nothing."""
        return "Credentials(***)"


def problems_with_url(url: str, environment: Environment) -> list[str]:
    """Return what is wrong with an address. Only Alpaca's own host of the environment will do, or this machine.

    The host is compared whole: looking for a part of it has let live addresses through.
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
    wanted = urlsplit(HOSTS[environment])
    if parts.scheme == wanted.scheme and host == wanted.hostname and port in (None, 443):
        return []
    other = next(name for name in HOSTS if name is not environment)
    if host == urlsplit(HOSTS[other]).hostname:
        how = "live=True" if other is Environment.LIVE else "live=False"
        return [f"the base URL is the {other.value} host, but this connection is {environment.value}; say {how}"]
    return [f"the base URL must be {HOSTS[environment]} or an address of this machine"]
