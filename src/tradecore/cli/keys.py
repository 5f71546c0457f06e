"""Make keys for secrets, see which values need which, bring all under the primary one, open everything once."""

from __future__ import annotations

import argparse
import os
import sys
from getpass import getuser
from importlib import import_module
from pathlib import Path
from typing import Any

from ..context import bind
from ..crypto import EnvironmentProvider, FileProvider, Key, KeyProvider, Keyring, KeyState
from ..crypto.entries import entry_of, read_entries
from ..crypto.providers import read_private
from ..errors import ConfigurationError
from ._arguments import add_database_argument, add_verb, database_url, existing_database

__all__ = ["add_arguments", "execute"]

_PROVIDER = (
    "what unwraps the keys, where they are wrapped: env (the master key in TRADECORE_MASTER_KEY), env:VARIABLE, "
    "file:PATH, or module:name for your own"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words this command understands."""
    behind = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for place in (parser, behind):
        place.add_argument(
            "--keys", metavar="FILE", type=Path, help="the key file (default: the keys in $TRADECORE_KEYS)"
        )
        place.add_argument("--provider", metavar="P", help=_PROVIDER)
        place.add_argument(
            "--models", metavar="MODULE", action="append", help="import this module, with your own sealed models"
        )
        add_database_argument(place)
    verbs = parser.add_subparsers(dest="action", required=True, metavar="verb")
    generate = add_verb(
        verbs,
        "generate",
        "make a key: printed for you to keep, or with --keys added to that file unseen",
        behind,
    )
    generate.add_argument(
        "--state",
        choices=[KeyState.PENDING.value, KeyState.PRIMARY.value],
        help="pending until every process has it; primary (default for a new file) where there is no other key",
    )
    status = add_verb(verbs, "status", "show the keys, and how many values need each; nothing is opened", behind)
    status.add_argument("--scan", action="store_true", help="look for sealed values in all other text columns too")
    rotate = add_verb(
        verbs, "rotate", "seal everything anew under the primary key and prove it; safe to repeat", behind
    )
    rotate.add_argument("--batch", type=int, default=500, metavar="N", help="values in one transaction (default 500)")
    add_verb(verbs, "verify", "open every sealed value once, and name those that do not open", behind)


def execute(arguments: argparse.Namespace) -> int:
    """Carry out one verb; 1 where something is missing, damaged or left over."""
    provider = _provider(arguments.provider)
    if arguments.action == "generate":
        return _generate(arguments, provider)
    ring = _ring(arguments.keys, provider)
    for module in arguments.models or ():
        _import(module)
    if arguments.action == "status" and not _names_database(arguments):
        _show_keys(ring, {})
        print("give --database to see how many values need each")
        return 0
    return _with_database(arguments, ring)


def _names_database(arguments: argparse.Namespace) -> bool:
    try:
        database_url(arguments.database)
    except ConfigurationError:
        return False
    return True


def _provider(spelled: str | None) -> KeyProvider | None:
    if spelled is None:
        return None
    kind, _, rest = spelled.partition(":")
    if kind == "env":
        return EnvironmentProvider(rest) if rest else EnvironmentProvider()
    if kind == "file" and rest:
        return FileProvider(rest)
    found: Any = getattr(_import(kind), rest, None) if rest else None
    if found is None:
        raise ConfigurationError("--provider is env, env:VARIABLE, file:PATH, or module:name of something there")
    provider: KeyProvider = found() if isinstance(found, type) else found
    return provider


def _import(module: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` has it
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"the module {module} cannot be imported: {error}") from None
    finally:
        sys.path.pop(0)


def _ring(path: Path | None, provider: KeyProvider | None) -> Keyring:
    return Keyring.from_env(provider=provider) if path is None else Keyring.from_file(path, provider=provider)


def _generate(arguments: argparse.Namespace, provider: KeyProvider | None) -> int:
    path: Path | None = arguments.keys
    if path is None:
        key = Key.generate(arguments.state or KeyState.PENDING)
        print(entry_of(key, provider))
        print(
            f"key {key.id}: keep a copy where the database's backups are not; without it nothing it sealed can be read",
            file=sys.stderr,
        )
        return 0
    there = read_entries(read_private(path), provider, str(path)) if path.exists() else []
    usual = KeyState.PENDING if any(key.state is KeyState.PRIMARY for key in there) else KeyState.PRIMARY
    key = Key.generate(arguments.state or usual)
    Keyring([*there, key])  # which refuses what would not work
    _append(path, entry_of(key, provider))
    print(f"added key {key.id}, {key.state}, to {path}: keep a copy where the database's backups are not")
    return 0


def _append(path: Path, entry: str) -> None:
    """Add a line that is on the disk before anybody is told of it; what stands there is never written over."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        whole = os.fstat(file).st_size == 0 or path.read_bytes().endswith(b"\n")
        os.write(file, f"{'' if whole else chr(10)}{entry}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)


def _with_database(arguments: argparse.Namespace, ring: Keyring) -> int:
    from .. import models  # noqa: F401  (its tables register themselves)
    from ..db import Database
    from ..db.rotation import Rotation
    from .partitions import reach

    with Database(existing_database(arguments.database), keyring=ring) as db:
        reach(db)
        if arguments.action == "rotate":
            return _rotate(Rotation(db, batch=arguments.batch), db)
        rotation = Rotation(db)
        return _verify(rotation) if arguments.action == "verify" else _status(rotation, ring, arguments.scan)


def _show_keys(ring: Keyring, needed: dict[str, int]) -> int:
    """Print the keys; return how many values need one that is not there."""
    known = {key.id: key.state for key in ring.keys}
    lacking = 0
    print(f"{'key':<10} {'state':<10} {'values':>12}")
    for key_id, state in known.items():
        values = needed.get(key_id, 0)
        print(f"{key_id:<10} {state:<10} {values:>12,}")
        lacking += values if state is KeyState.DESTROYED else 0
    for key_id in sorted(needed.keys() - known.keys()):
        print(f"{key_id:<10} {'MISSING':<10} {needed[key_id]:>12,}")
        lacking += needed[key_id]
    return lacking


def _status(rotation: Any, ring: Keyring, scan: bool) -> int:
    proof = rotation.proof(scan=scan)
    needed: dict[str, int] = {}
    for column in proof.columns:
        for key_id, rows in column.by_key.items():
            needed[key_id] = needed.get(key_id, 0) + rows
    lacking = _show_keys(ring, needed)
    damaged = sum(column.damaged for column in proof.columns)
    print("\n".join(proof.against) or f"everything is under key {proof.key_id}")
    if lacking:
        print("put the missing keys back: nothing is lost while a copy of them exists")
    elif proof.against:
        print("`tradecore keys rotate` brings what a model declares sealed under the primary key")
    return 1 if lacking or damaged else 0


def _rotate(rotation: Any, db: Any) -> int:
    from .partitions import note

    report = rotation.run(_meter)
    print(f"{report.turned:,} values sealed anew under key {report.proof.key_id}")
    for failure in report.failures:
        print(str(failure), file=sys.stderr)
    holds = report.proof.holds
    with bind(actor_type="user", actor_id=getuser()):
        note(db, "keys.rotate", report.proof.key_id, {"turned": report.turned, "proven": holds}, kind="key")
    if holds:
        print("proven: nothing needs another key; older ones can be marked destroyed once no backup needs them")
        return 0
    print("NOT proven:\n" + "\n".join(f"  {sentence}" for sentence in report.proof.against), file=sys.stderr)
    return 1


def _meter(batch: Any) -> None:
    if batch.turned:
        print(f"{batch.column}: {batch.turned:,} more", flush=True)


def _verify(rotation: Any) -> int:
    found = rotation.verify()
    for failure in found.failures:
        print(str(failure), file=sys.stderr)
    print(f"{found.opened:,} values open, {found.failed:,} do not")
    return 1 if found.failed else 0
