"""The tutorial, walked by a stranger: its own commands, in its own order, in an empty folder, with real processes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import house

TUTORIAL = (house.ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def commands(text: str) -> list[str]:
    return [line[2:] for block in re.findall(r"```console\n(.*?)```", text, re.S) for line in block.splitlines()]


def fetch(url: str, body: str | None = None) -> str:
    """Do what ``curl -s`` does, on machines without one."""
    try:
        with urllib.request.urlopen(url, body and body.encode(), timeout=PATIENCE) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


class Shell:
    """Runs commands as a shell would: exports stay, ``&`` goes on in the background."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.started: list[subprocess.Popen[bytes]] = []

    def run(self, command: str) -> str:
        if command.startswith("export "):
            self.environment |= dict(pair.split("=", 1) for pair in shlex.split(command)[1:])
            return ""
        if command.endswith("&"):
            self.start(shlex.split(command[:-1]))
            return ""
        if command.startswith("curl -s "):
            return fetch(*[word for word in shlex.split(command)[2:] if word != "-d"])
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            check=True,
            capture_output=True,
            timeout=PATIENCE,
        )
        return done.stdout.decode()

    def start(self, words: list[str]) -> None:
        log = (self.folder / f"{words[0]}.log").open("wb")
        with log:
            process = subprocess.Popen(words, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        self.started.append(process)
        port, until = int(words[words.index("--port") + 1]), time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                said = (self.folder / f"{words[0]}.log").read_text()
                assert process.poll() is None, said
                assert time.monotonic() < until, said

    def stop(self) -> None:
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@pytest.fixture
def shell(tmp_path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.stop()


def until_filled(shell: Shell) -> list[dict[str, object]]:
    """Ask as an operator does, until the order has met its fate."""
    until = time.monotonic() + PATIENCE
    while True:
        orders = [json.loads(line) for line in shell.run("tradecore orders --json list").splitlines()]
        if orders and all(order["status"] == "filled" for order in orders):
            return orders
        assert time.monotonic() < until, orders


def test_the_tutorial_works_as_it_is_written(shell):
    text = TUTORIAL
    for port in ("8900", "8901"):
        text = text.replace(port, str(free_port()))
    (shell.folder / "service.py").write_text(re.search(r"```python\n(.*?)```", text, re.S)[1], encoding="utf-8")
    said = [shell.run(command) for command in commands(text) if not command.startswith("pip ")]
    first, again, wrong = (json.loads(answer) for answer in said if answer.startswith("{") and "orders" not in answer)

    assert first["signal_id"] == "s-1"
    assert again == first | {"duplicate": True}
    assert (wrong["code"], wrong["details"][0]["field"]) == ("VALIDATION_ERROR", "quantity")
    (order,) = until_filled(shell)
    books = json.loads(shell.run(commands(text)[-1]))
    assert [one["client_order_id"] for one in books["orders"]] == [order["client_order_id"]]
