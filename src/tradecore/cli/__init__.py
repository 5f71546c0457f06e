"""The command line: ``tradecore <command>``. One file a command; a command's room is imported when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from ..errors import ConfigurationError, TradeCoreError
from ..redact import redact_text

__all__ = ["main"]

# name -> (module with add_arguments(parser) and execute(arguments) -> exit status, one line of help)
COMMANDS = {
    "demo": ("demo", "send real signals through a broker that misbehaves, and count"),
    "simulate": ("simulate", "serve a simulated broker on loopback"),
    "worker": ("worker", "run a worker process of its own"),
    "orders": ("orders", "see what is stuck, and fix it safely"),
    "audit": ("audit", "verify the audit log, show what was done to a thing, export it, let old events go"),
    "db": ("db", "upgrade, show or check the database's schema; see to its partitions; adopt one"),
    "import": ("imports", "bring trades in from a CSV file"),
    "keys": ("keys", "make keys, see which values need which, seal everything anew, open everything once"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tradecore",
        description="Reliability primitives for trading backends.",
        epilog="`tradecore COMMAND --help` tells more. Commands that need a database take --database URL or "
        "$TRADECORE_DATABASE_URL; exit status: 0 done, 1 something was found, or waits for --yes, 2 wrong use.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('tradecore')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (module, help_line) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_line, description=help_line.capitalize() + ".")
        sub.set_defaults(module=module)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 something was found or waits for --yes, 2 wrong use."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    chosen, rest = parser.parse_known_args(words[:1] or ["--help"])
    command = import_module(f".{chosen.module}", __name__)
    own = argparse.ArgumentParser(prog=f"tradecore {chosen.command}", description=command.__doc__)
    command.add_arguments(own)
    try:
        status: int = command.execute(own.parse_args(rest + words[1:]))
        sys.stdout.flush()
    except TradeCoreError as error:
        problems = error.details if isinstance(error, ConfigurationError) and len(error.details) > 1 else ()
        print(f"tradecore: {'this cannot work:' if problems else error.message}", file=sys.stderr)
        for problem in problems:
            print(f"  - {problem['message']}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read, such as `head`, has enough; what is left must not fail again at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # as if SIGPIPE had ended it
    except OSError as error:
        print(f"tradecore: {redact_text(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status
