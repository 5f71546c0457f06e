"""Create or change the tables, take them back, show their revision, look for differences, see to partitions."""

from __future__ import annotations

import argparse
from importlib import import_module

from ..errors import ConfigurationError
from ._arguments import add_database_argument, add_verb, database_url, existing_database

__all__ = ["add_arguments", "execute"]

# Verbs with a file of their own: name -> (module with add_arguments and execute, one line of help)
OTHERS = {
    "adopt": ("adopt", "copy an existing database's rows into tradecore's tables"),
    "partitions": ("partitions", "list partitions, make those ahead, detach or archive old ones"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words this command understands."""
    # The same word again behind the verb, where most people type it; what is left out there overrides nothing.
    behind = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for place in (parser, behind):
        add_database_argument(place)
    verbs = parser.add_subparsers(dest="action", required=True, metavar="verb")
    upgrade = add_verb(verbs, "upgrade", "make the tables this release's; safe to repeat", behind)
    upgrade.add_argument("--core-only", action="store_true", help="the core's tables and not the platform's")
    add_verb(verbs, "current", "show the revisions", behind)
    add_verb(verbs, "check", "show every difference between the database and this release", behind)
    downgrade = add_verb(
        verbs,
        "downgrade",
        "take the tables back to an earlier revision; without --yes only say what would be lost",
        behind,
    )
    downgrade.add_argument(
        "--to", metavar="REVISION", help="the revision that is to remain, such as platform_0001 or platform@base"
    )
    downgrade.add_argument("--yes", action="store_true", help="do it, and lose what it says would be lost")
    for name, (module, line) in OTHERS.items():
        other = import_module(f".{module}", __package__)
        other.add_arguments(verbs.add_parser(name, help=line, description=other.__doc__, parents=[behind]))


def execute(arguments: argparse.Namespace) -> int:
    """Run it; 1 if check finds a difference, or what would lose rows was not told to."""
    if arguments.action in OTHERS:
        status: int = import_module(f".{OTHERS[arguments.action][0]}", __package__).execute(arguments)
        return status
    url = (database_url if arguments.action == "upgrade" else existing_database)(arguments.database)
    from ..models import migrations

    if arguments.action == "check":
        findings = migrations.check(url)
        print("\n".join(findings) if findings else "the database is as it should be")
        if any(" is at " in finding and "wanted: " in finding for finding in findings):
            print("`tradecore db upgrade` brings the tables up to this release")
        return 1 if findings else 0
    if arguments.action == "downgrade" and not _agreed(url, arguments):
        return 1
    if arguments.action == "upgrade":
        revisions = migrations.upgrade(url, platform=not arguments.core_only)
    elif arguments.action == "downgrade":
        revisions = migrations.downgrade(url, arguments.to, lose=True)
    else:
        revisions = migrations.current(url)
    for branch, revision in revisions.items():
        print(f"{branch:<9} {revision or 'not installed'}")
    return 0


def _agreed(url: str, arguments: argparse.Namespace) -> bool:
    """Say what a downgrade would lose; return whether it was asked for all the same."""
    from ..models import migrations

    if not arguments.to:
        raise ConfigurationError("downgrade to which revision? give --to, such as --to platform_0001")
    lost = migrations.losses(url, arguments.to)
    print("\n".join(lost) if lost else "no row would be lost")
    if not arguments.yes:
        print("nothing was done; stop every process, make a copy, and give --yes to do it")
    return bool(arguments.yes)
