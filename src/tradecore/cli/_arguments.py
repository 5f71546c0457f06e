"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..core import TradeCore
    from ..crypto import Keyring

__all__ = [
    "add_core_arguments",
    "add_database_argument",
    "add_verb",
    "brokers_named",
    "core_named",
    "database_url",
    "existing_database",
    "ring_of_environment",
]

VARIABLE = "TRADECORE_DATABASE_URL"
KEYS = "TRADECORE_KEYS"


def add_database_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--database``."""
    parser.add_argument("--database", metavar="URL", help=f"the database's address (default: ${VARIABLE})")


def add_core_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--database`` and ``--broker``."""
    add_database_argument(parser)
    parser.add_argument(
        "--broker",
        action="append",
        metavar="NAME",
        help="a broker to serve, by its name, set up from the environment; may be given several times",
    )


def add_verb(verbs: Any, name: str, line: str, behind: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add a verb to a command: one line says what it does, in the list of verbs and in its own help."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=line, description=f"{line[0].upper()}{line[1:]}.", parents=[behind]
    )
    return parser


def database_url(given: str | None) -> str:
    """Return the address given, or the environment's.

    Raises:
        ConfigurationError: there is neither.
    """
    url = given or os.environ.get(VARIABLE, "")
    if not url:
        raise ConfigurationError(f"which database? give --database URL or set {VARIABLE}")
    return url


def ring_of_environment() -> Keyring | None:
    """Return the ring of ``$TRADECORE_KEYS``, or None where that is not set: events written by hand get MACs as well.

    Raises:
        ConfigurationError: what is there is no ring.
    """
    if not os.environ.get(KEYS):
        return None
    from ..crypto import Keyring

    return Keyring.from_env(KEYS)


def existing_database(given: str | None) -> str:
    """Return the address of a database that is there; to look at one must not make its file.

    Raises:
        ConfigurationError: there is no address, or no file where it leads to.
    """
    url = database_url(given)
    from ..db.engines import in_memory, parse_url

    parsed, _ = parse_url(url, asynchronous=False)
    path = parsed.database or ""
    in_a_file = parsed.get_backend_name() == "sqlite" and not in_memory(parsed) and not path.startswith("file:")
    if in_a_file and not Path(path).is_file():
        raise ConfigurationError(f"there is no file {path}: `tradecore db upgrade` makes a new database")
    return url


def core_named(arguments: argparse.Namespace, route: str | None = None) -> TradeCore:
    """Return a core for the database and the brokers the arguments name, not open and without a worker.

    Raises:
        ConfigurationError: listing everything that is wrong with either.
    """
    from ..core import TradeCore

    problems: list[str] = []
    url, brokers = "sqlite://", []
    try:
        url = database_url(arguments.database)
    except ConfigurationError as error:
        problems += _said(error)
    try:
        brokers = brokers_named(arguments.broker)
    except ConfigurationError as error:
        problems += _said(error)
    try:
        ring = ring_of_environment()
        core = TradeCore(url, brokers=brokers, route=None if problems else route, worker=False, keyring=ring)
    except ConfigurationError as error:
        problems += _said(error)
    else:
        if not problems:
            return core
        core.close()
    raise ConfigurationError.of(problems)


def _said(error: ConfigurationError) -> list[str]:
    return [str(detail["message"]) for detail in error.details] or [error.message]


def brokers_named(names: list[str] | None) -> list[Any]:
    """Return an adapter for each name, found by its entry point and set up from the environment.

    Raises:
        ConfigurationError: listing every unknown name and everything the environment lacks.
    """
    known = {point.name: point for point in entry_points(group="tradecore.brokers")}
    brokers, problems = [], []
    for name in names or ():
        if name not in known:
            problems.append(f"no broker is called {name!r} (known: {', '.join(sorted(known)) or 'none'})")
            continue
        try:
            brokers.append(known[name].load().from_env())
        except ConfigurationError as error:
            problems += _said(error)
    if problems:
        raise ConfigurationError.of(problems)
    return brokers
