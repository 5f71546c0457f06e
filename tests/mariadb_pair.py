"""A MariaDB primary and its replica, made for one test from the binaries alone, and gone with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import pymysql
from tests.services import missing
from tests.standby import free_port

_OPTIONS = (
    *("--bind-address=127.0.0.1", "--skip-name-resolve", "--log-bin=bin", "--gtid-strict-mode=1", "--skip-ssl"),
    *("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", "--slave-net-timeout=5"),
)


@dataclass
class Server:
    """One server of the pair."""

    home: Path
    number: int
    port: int = field(default_factory=free_port)
    running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/desk"

    def start(self) -> None:
        data = self.home / str(self.number)
        user = ["--user=mysql"] if os.geteuid() == 0 else []
        if not data.exists():
            install = ["--auth-root-authentication-method=normal", "--skip-test-db", f"--datadir={data}"]
            subprocess.run(["mariadb-install-db", "--no-defaults", *install, *user], capture_output=True, check=True)
        place = [f"--datadir={data}", f"--port={self.port}", f"--socket={self.home}/{self.number}.sock"]
        with (self.home / f"{self.number}.log").open("ab") as log:
            self.running = subprocess.Popen(
                ["mariadbd", "--no-defaults", *user, *place, f"--server-id={self.number}", *_OPTIONS],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        address = ["-h127.0.0.1", f"-P{self.port}", "-uroot"]
        ping = ["mariadb-admin", "--no-defaults", *address, "--connect-timeout=30", "--wait=60", "ping"]
        subprocess.run(ping, capture_output=True, check=True)

    def kill(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.wait()
            self.running = None

    def say(self, *statements: str) -> None:
        with pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True) as connection:
            for statement in statements:
                connection.cursor().execute(statement)


@contextmanager
def primary_and_replica() -> Iterator[tuple[Server, Server]]:
    """Yield a primary and a replica that follows it by GTID."""
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        missing("mysql: there are no server binaries (mariadbd) to make a replica with")
    home = Path(mkdtemp(prefix="tradecore-pair-"))
    if os.geteuid() == 0:
        shutil.chown(home, "mysql")
    primary, replica = Server(home, 1), Server(home, 2)
    try:
        primary.start()
        replica.start()
        replica.say(
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='root', "
            "MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos",
            "START SLAVE",
        )
        primary.say("CREATE DATABASE desk CHARACTER SET utf8mb4")
        yield primary, replica
    finally:
        replica.kill()
        primary.kill()
        shutil.rmtree(home, ignore_errors=True)
