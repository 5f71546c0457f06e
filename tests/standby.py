"""A PostgreSQL primary and its hot standby, made for one test from the binaries alone, and gone with it."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.services import missing

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
shared_buffers = 16MB
max_connections = 60
wal_level = replica
max_wal_senders = 4
hot_standby = on
hot_standby_feedback = on
wal_receiver_timeout = 5s
wal_retrieve_retry_interval = 100ms
"""


@dataclass(frozen=True)
class Server:
    """One server of the pair."""

    binaries: Path
    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        _as_postgres(self.binaries / "pg_ctl", "-D", self.directory, "-w", "-l", f"{self.directory}.log", "start")

    def stop(self, mode: str = "immediate") -> None:
        _as_postgres(self.binaries / "pg_ctl", "-D", self.directory, "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """End it as a power cut does: the postmaster and everyone of its own group."""
        pid = int((self.directory / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        (self.directory / "postmaster.pid").unlink()

    def set(self, line: str) -> None:
        with (self.directory / "postgresql.conf").open("a") as settings:
            settings.write(f"{line}\n")


def _as_postgres(*command: object) -> None:
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        words = ["runuser", "-u", "postgres", "--", *words]
    done = subprocess.run(words, capture_output=True, text=True, cwd="/", check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{words}: {done.stderr}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        missing("postgres: there are no server binaries (initdb) to make a standby with")
    return (found[-1] if found else Path(str(on_path))).parent


@contextmanager
def primary_and_standby(delay: str) -> Iterator[tuple[Server, Server]]:
    """Yield a primary and a standby that applies what it receives ``delay`` later."""
    binaries = _binaries()
    home = Path(mkdtemp(prefix="tradecore-standby-"))
    if os.geteuid() == 0:
        if shutil.which("runuser") is None:
            missing("postgres: root needs runuser to start a server as postgres")
        shutil.chown(home, "postgres")
        user = "postgres"
    else:
        user = getpass.getuser()
    primary = Server(binaries, home / "primary", free_port())
    standby = Server(binaries, home / "standby", free_port())
    try:
        _as_postgres(
            binaries / "initdb",
            "-D",
            primary.directory,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
            "--no-locale",
        )
        primary.set(_SETTINGS + f"port = {primary.port}")
        shutil.chown(primary.directory / "postgresql.conf", user)
        primary.start()
        target = f"host=127.0.0.1 port={primary.port} user=postgres"
        _as_postgres(
            binaries / "pg_basebackup", "-D", standby.directory, "-d", target, "-R", "-X", "stream", "-c", "fast"
        )
        standby.set(f"port = {standby.port}\nrecovery_min_apply_delay = {delay}")
        standby.start()
        yield primary, standby
    finally:
        for server in (standby, primary):
            if (server.directory / "postmaster.pid").exists():
                server.stop()
        shutil.rmtree(home, ignore_errors=True)
