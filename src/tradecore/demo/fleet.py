"""The demo's processes: the simulated broker behind its socket, and workers that are killed and replaced."""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import multiprocessing.context
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from .books import Books
from .worker import Station, work

__all__ = ["BrokerProcess", "Fleet", "nursery"]

PATIENCE = 20.0  # real seconds for a process to start, or an answer to come
_TRIES = 40


class BrokerProcess:
    """The Alpaca simulator as a process of its own, and the door through which its books are read.

    Args:
        arguments: what ``tradecore simulate alpaca`` is told besides its port.
        log: a file that collects its error output.
    """

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        """Start it."""
        command = [sys.executable, "-m", "tradecore", "simulate", "alpaca", "--port", "0", *arguments]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and our own words
                command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL
            )

    @cached_property
    def url(self) -> str:
        """Its address; the first look waits until it listens.

        Raises:
            ConfigurationError: it did not start.
        """
        line = self._process.stdout.readline().decode() if self._process.stdout else ""
        if not line.startswith("http://"):
            raise ConfigurationError("the simulated broker did not start; its log says why")
        return line.split()[0]

    def books(self) -> Books:
        """Return its true books, read over HTTP."""
        return Books.read(self._ask("GET", "books"))

    def move_to(self, day: str) -> None:
        """Move the market to the open of ``day`` (ISO 8601), through every day between."""
        self._ask("POST", "advance", {"to": day})

    def _ask(self, method: str, door: str, body: Any = None) -> Any:
        """Ask at the simulator's own door; it closes for moments, when a fault refuses connections."""
        for attempt in range(_TRIES):
            connection = http.client.HTTPConnection(str(urlsplit(self.url).netloc), timeout=PATIENCE)
            try:
                connection.request(method, f"/_sim/{door}", None if body is None else json.dumps(body))
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 200:
                    raise ConfigurationError(f"the simulated broker answered {answer.status} at {door}")
                return json.loads(content)
            except (OSError, http.client.HTTPException):
                if attempt == _TRIES - 1 or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            finally:
                connection.close()
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Fleet:
    """Workers that share a database, and the hand that kills them.

    They are forked from one process that has imported everything already, so a new one begins within milliseconds.

    Args:
        station: what they are told.
        log: a file that collects their error output.
        dice: chooses whom to kill.
    """

    def __init__(self, station: Station, log: Path, dice: Random) -> None:
        """Start them all."""
        self.kills = 0
        self._station, self._log, self._dice = station, log, dice
        self._context = nursery()
        self._workers = [self._start() for _ in range(station.workers)]

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.process.pid or 0 for worker in self._workers]

    def await_begin(self) -> None:
        """Wait until every worker works.

        Raises:
            ConfigurationError: one did not begin.
        """
        for worker in self._workers:
            if not worker.line.poll(PATIENCE) or not worker.process.is_alive():
                raise ConfigurationError("a worker did not begin; the log of the processes says why")

    def kill(self, pid: int | None = None) -> None:
        """Kill one with -9, the one called ``pid`` or any, and put a new one in its place."""
        chosen = next((worker for worker in self._workers if worker.process.pid == pid), None)
        victim = chosen or self._dice.choice(self._workers)
        victim.process.kill()
        victim.reap()
        self.kills += 1
        self._workers[self._workers.index(victim)] = self._start()

    def revive(self) -> int:
        """Replace workers that ended by themselves, which none should; return how many had."""
        ended = [index for index, worker in enumerate(self._workers) if not worker.process.is_alive()]
        for index in ended:
            self._workers[index].reap()
            self._workers[index] = self._start()
        return len(ended)

    def stop(self) -> None:
        """Let every worker end in order; kill what does not."""
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.line.send("stop")
        for worker in self._workers:
            worker.reap()

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=work, args=(self._station, theirs, str(self._log)), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)


@dataclass(frozen=True, slots=True)
class _Worker:
    process: BaseProcess
    line: Connection

    def reap(self) -> None:
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()
        self.line.close()


def nursery() -> multiprocessing.context.ForkServerContext:
    """Return where workers come from: a process that imports for them all; the first call starts it, and goes on."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tradecore.demo.nursery"])
    forkserver.ensure_running()
    return context
