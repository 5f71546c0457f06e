"""What `--help` says: every verb tells what it does in its own help too, and every argument has a sentence."""

import argparse
import os
import subprocess
import sys
from importlib import import_module

import pytest

from tradecore.cli import COMMANDS, main


def parsers(parser: argparse.ArgumentParser):
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from parsers(verb)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_verb_and_every_argument_is_explained(command):
    module = import_module(f"tradecore.cli.{COMMANDS[command][0]}")
    top = argparse.ArgumentParser(prog=f"tradecore {command}", description=module.__doc__)
    module.add_arguments(top)
    for parser in parsers(top):
        assert parser.description, parser.prog
        for action in parser._actions:
            assert action.help or isinstance(action, argparse._SubParsersAction), (parser.prog, action.dest)


def test_a_database_that_was_never_migrated_is_told_the_way_out(tmp_path, capsys):
    (tmp_path / "new.db").touch()
    assert main(["db", "check", "--database", f"sqlite:///{tmp_path}/new.db"]) == 1
    assert "tradecore db upgrade" in capsys.readouterr().out
    assert main(["db", "upgrade", "--core-only", "--database", f"sqlite:///{tmp_path}/new.db"]) == 0
    assert main(["db", "check", "--database", f"sqlite:///{tmp_path}/new.db"]) == 0


@pytest.mark.parametrize(
    "words",
    ["check", "current", "downgrade --to platform_0001", "partitions", "partitions archive --before 2020-01-01"],
)
def test_to_look_at_a_database_that_is_not_there_does_not_make_it(tmp_path, capsys, words):
    assert main(["db", *words.split(), "--database", f"sqlite:///{tmp_path}/typo.db"]) == 2
    assert f"there is no file {tmp_path}/typo.db" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    assert main(["db", "upgrade", "--database", url]) == 0
    reading, writing = os.pipe()
    os.close(reading)  # as `| head` does once it has its lines
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "tradecore", "db", "current", "--database", url],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")
