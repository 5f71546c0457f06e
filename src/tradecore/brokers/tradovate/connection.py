"""Tradovate's addresses and credentials: compared exactly, never shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from ...trading import Environment

__all__ = ["HOSTS", "VARIABLES", "Credentials"]

HOSTS: Mapping[Environment, str] = MappingProxyType(
    {
        Environment.PAPER: "https://demo.tradovateapi.com",
        Environment.LIVE: "https://live.tradovateapi.com",
    }
)

VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "name": "TRADOVATE_NAME",
        "password": "TRADOVATE_PASSWORD",
        "cid": "TRADOVATE_CID",
        "secret": "TRADOVATE_SECRET",
        "device_id": "TRADOVATE_DEVICE_ID",
    }
)
"""The environment variables the credentials are read from."""

_LONGEST = {"secret": 8_192}


class Credentials:
    """A user's name, password and API key, that cannot be printed, pickled or copied into an error.

    Args:
        name: the user's name.
        password: the account's password, or the one dedicated to the API key.
        cid: the API key's id.
        secret: the API key's secret.
        device_id: stable and unique for this installation; live trading is refused without one.
        app_id: the key's nickname, shown to the user.
        app_version: free.
    """

    __slots__ = ("__parts", "app_id", "app_version")

    def __init__(
        self, name: str, password: str, cid: str | int, secret: str, device_id: str, app_id: str, app_version: str
    ) -> None:
        """Keep them."""
        self.__parts = {
            "name": name,
            "password": password,
            "cid": str(cid) if isinstance(cid, int) else cid,
            "secret": secret,
            "device_id": device_id,
        }
        self.app_id = app_id
        self.app_version = app_version

    @property
    def name(self) -> str:
        """The user's name; the sessions are his."""
        return self.__parts["name"]

    def problems(self) -> list[str]:
        """Return what is wrong with them, without quoting any."""
        found = []
        for name, value in (*self.__parts.items(), ("app_id", self.app_id), ("app_version", self.app_version)):
            longest = _LONGEST.get(name, 64)
            if not isinstance(value, str) or not value.strip():
                found.append(f"the {name} is empty")
            elif len(value) > longest or not value.isprintable():
                found.append(f"the {name} has more than {longest} characters, or some that cannot be printed")
        return found

    def body(self) -> dict[str, str]:
        """Return the request for an access token; whoever sends it shows it to nobody."""
        parts = self.__parts
        return {
            "name": parts["name"],
            "password": parts["password"],
            "appId": self.app_id,
            "appVersion": self.app_version,
            "deviceId": parts["device_id"],
            "cid": parts["cid"],
            "sec": parts["secret"],
        }

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("credentials are not pickled or copied; make the broker anew where it is needed")

    def __repr__(self) -> str:
        """Show nothing."""
        return "Credentials(***)"
