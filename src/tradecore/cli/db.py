"""Create or change the tables, take them back, show their revision, or look for differences."""

from __future__ import annotations

import argparse

from ..errors import ConfigurationError
from ._arguments import add_database_argument, database_url

__all__ = ["add_arguments", "execute"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words this command understands."""
    parser.add_argument(
        "action",
        choices=("upgrade", "current", "check", "downgrade"),
        help="upgrade: make the tables this release's; current: show the revisions; check: show every difference; "
        "downgrade: take the tables back to an earlier revision",
    )
    add_database_argument(parser)
    parser.add_argument("--core-only", action="store_true", help="upgrade the core's tables and not the platform's")
    parser.add_argument("--to", metavar="REVISION", help="downgrade: the revision that is to remain")
    parser.add_argument("--yes", action="store_true", help="downgrade: do it, and lose what it says would be lost")


def execute(arguments: argparse.Namespace) -> int:
    """Run it; 1 if check finds a difference."""
    url = database_url(arguments.database)
    from ..models import migrations

    if arguments.action == "check":
        findings = migrations.check(url)
        print("\n".join(findings) if findings else "the database is as it should be")
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
