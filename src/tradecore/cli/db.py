"""Create or change the tables, show their revision, or look for differences."""

from __future__ import annotations

import argparse

from ._arguments import add_database_argument, database_url

__all__ = ["add_arguments", "execute"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words this command understands."""
    parser.add_argument(
        "action",
        choices=("upgrade", "current", "check"),
        help="upgrade: make the tables this release's; current: show the revisions; check: show every difference",
    )
    add_database_argument(parser)
    parser.add_argument("--core-only", action="store_true", help="upgrade the core's tables and not the platform's")


def execute(arguments: argparse.Namespace) -> int:
    """Run it; 1 if check finds a difference."""
    url = database_url(arguments.database)
    from ..models import migrations

    if arguments.action == "check":
        findings = migrations.check(url)
        print("\n".join(findings) if findings else "the database is as it should be")
        return 1 if findings else 0
    if arguments.action == "upgrade":
        revisions = migrations.upgrade(url, platform=not arguments.core_only)
    else:
        revisions = migrations.current(url)
    for branch, revision in revisions.items():
        print(f"{branch:<9} {revision or 'not installed'}")
    return 0
