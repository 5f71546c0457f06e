"""Both colours of a Database behind one face, so that each check is written once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from tradecore.db import AsyncDatabase, Database


class Threads:
    """Database as it is."""

    def __init__(self, url: str, **options: Any) -> None:
        self.db: Any = Database(url, **options)

    def read(self, fn: Callable[[Session], Any], token: str | None = None) -> Any:
        with self.db.read(token) as session:
            return fn(session)

    def run_read(self, fn: Callable[..., Any], *args: Any) -> Any:
        return self.db.run_read(fn, *args)

    def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        return self.db.run(fn, *args)

    def follow(self, token: str | None = None) -> None:
        self.db.follow(token)

    def token(self) -> str:
        return self.db.token()

    def ping(self, timeout: float) -> float:
        return self.db.ping(timeout)

    def close(self) -> None:
        self.db.close()


class Tasks(Threads):
    """AsyncDatabase on an event loop of its own; its context lasts from call to call."""

    def __init__(self, url: str, **options: Any) -> None:
        self.db = AsyncDatabase(url, **options)
        self._runner = asyncio.Runner()

    def read(self, fn: Callable[[Session], Any], token: str | None = None) -> Any:
        async def within() -> Any:
            async with self.db.read(token) as session:
                return await session.run_sync(fn)

        return self._runner.run(within())

    def run_read(self, fn: Callable[..., Any], *args: Any) -> Any:
        return self._runner.run(self.db.run_read(fn, *args))

    def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        return self._runner.run(self.db.run(fn, *args))

    def follow(self, token: str | None = None) -> None:
        async def within() -> None:
            self.db.follow(token)

        self._runner.run(within())

    def token(self) -> str:
        return self._runner.run(self.db.token())

    def ping(self, timeout: float) -> float:
        return self._runner.run(self.db.ping(timeout))

    def close(self) -> None:
        self._runner.run(self.db.close())
        self._runner.close()


COLOURS = {"threads": Threads, "tasks": Tasks}


@contextmanager
def opened(colour: str, url: str, **options: Any) -> Iterator[Any]:
    """Open a Database of the colour."""
    desk = COLOURS[colour](url, **options)
    try:
        yield desk
    finally:
        desk.close()
