"""A redis-server of a test's own, on a port of its own, to be killed, paused, flushed and demoted at will."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.services import missing


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until ``holds`` does; a refused connection counts as not yet."""
    pause, until = threading.Event(), time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if holds():
                return
        pause.wait(0.02)
    raise TimeoutError(f"not within {seconds:g} s")


class OwnRedis:
    """One server; ``uri`` names it, running or not."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.uri = f"redis://127.0.0.1:{self.port}/0"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        settings = ["--port", str(self.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        self._running = subprocess.Popen([self._program, *settings], cwd=self._folder, stdout=subprocess.DEVNULL)
        eventually(lambda: self.say("PING") == "+PONG")

    def kill(self) -> None:
        """Take it away at once."""
        if self._running is not None:
            self.resume()
            self._running.kill()
            self._running.wait(20)
            self._running = None

    def pause(self) -> None:
        """Stop the process: connections are accepted by the kernel, and nobody answers."""
        assert self._running is not None
        os.kill(self._running.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._running is not None
        os.kill(self._running.pid, signal.SIGCONT)

    def say(self, *words: str) -> str:
        """Send one command by a plain socket, independent of every client; return the answer's first line."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            parts = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
            connection.sendall("".join(parts).encode())
            return connection.makefile("rb").readline().decode().strip()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    """A running server that is this test's alone."""
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server: not on the path")
    server = OwnRedis(str(program), tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()
