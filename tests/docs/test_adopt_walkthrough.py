"""The walk through an adoption, walked: the page's own commands, in its own order, print what it says they print."""

from __future__ import annotations

import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests import house

PAGE = (house.ROOT / "docs" / "how-to" / "adopt.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.S)
LEFT_OPEN = "--zone"  # the one command that is to end with 1: it finds what has no rule


def run(command: str, folder: Path) -> str:
    words = shlex.split(command)
    if words[0] == "tradecore":
        words[:1] = [sys.executable, "-m", "tradecore"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == (1 if LEFT_OPEN in words else 0), done.stdout + done.stderr
    return done.stdout


def test_the_page_is_walked_as_it_is_written(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = ""
    walked = 0
    kept: tuple[str, ...] = ()
    for kind, block in BLOCKS:
        if kind == "toml":
            (tmp_path / "mapping.toml").write_text(block, encoding="utf-8")
        elif kind == "python" and not walked:
            exec(compile(block, "adopt.md", "exec"), {})  # the page's own old database
        elif kind == "console":
            if "--put-back" in block:
                kept = _tables(tmp_path / "desk.db")
            printed = "".join(run(line[2:], tmp_path) for line in block.splitlines())
            walked += 1
        elif kind == "text":
            missing = [line for line in block.splitlines() if line not in printed.splitlines()]
            assert not missing, printed
    assert walked == 6
    assert "legacy_users" in kept
    assert set(_tables(tmp_path / "backup.db")) <= set(_tables(tmp_path / "desk.db"))
    assert not [name for name in _tables(tmp_path / "desk.db") if name.startswith(("legacy_", "adoption_"))]


def _tables(file: Path) -> tuple[str, ...]:
    connection = sqlite3.connect(file)
    names = tuple(row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
    connection.close()
    return names
