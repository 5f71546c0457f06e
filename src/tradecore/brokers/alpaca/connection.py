"""Alpaca's addresses and credentials: compared exactly, never shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from ...trading import Environment

__all__ = ["HOSTS", "Credentials"]

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
