"""Which revision of the schema a database has, and whether this release can work with it."""

from __future__ import annotations

from sqlalchemy import Connection, column, inspect, select, table

from ..errors import ConfigurationError

__all__ = ["RESTS_ON", "REVISIONS", "VERSION_TABLE", "applied", "is_head", "require_migrated", "rows_of"]

VERSION_TABLE = "tc_alembic_version"

# Every revision of each branch, oldest first; a test compares with the files. Kept here so that opening a database
# does not load Alembic.
REVISIONS: dict[str, tuple[str, ...]] = {
    "core": ("core_0001", "core_0002", "core_0003", "core_0004", "core_0005"),
    "platform": ("platform_0001", "platform_0002", "platform_0003"),
}

# What stands below each revision of the platform: Alembic keeps no row for what another row depends on.
RESTS_ON = {"platform_0001": "core_0001", "platform_0002": "core_0002", "platform_0003": "core_0005"}


def rows_of(connection: Connection) -> tuple[str, ...]:
    """Return what Alembic's own table says; empty where there is none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return ()
    return tuple(connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalars())


def applied(connection: Connection) -> dict[str, str | None]:
    """Return the revision of each branch (``core``, ``platform``) that the database has; None where it has none."""
    rows = rows_of(connection)
    found: dict[str, str | None] = {
        branch: next((row for row in rows if row.startswith(f"{branch}_")), None) for branch in REVISIONS
    }
    if found["core"] is None and found["platform"] is not None:
        found["core"] = RESTS_ON.get(found["platform"], REVISIONS["core"][-1])
    return found


def is_head(revisions: dict[str, str | None], platform: bool) -> bool:
    """Whether nothing is left to upgrade."""
    branches = REVISIONS if platform else ("core",)
    return all(revisions[branch] == REVISIONS[branch][-1] for branch in branches)


def require_migrated(connection: Connection) -> None:
    """Refuse a database whose tables are not the ones this release knows.

    Raises:
        ConfigurationError: says which revision it has, which is wanted, and what to do.
    """
    problems = []
    for branch, revision in applied(connection).items():
        wanted = REVISIONS[branch][-1]
        if revision == wanted or (revision is None and branch != "core"):
            continue
        if revision is None:
            problems.append(
                f"the database is not migrated: run `tradecore db upgrade --database URL` (wanted: {wanted})"
            )
        elif revision in REVISIONS[branch]:
            problems.append(
                f"the database is not migrated: run `tradecore db upgrade --database URL` (it has {revision}, "
                f"wanted: {wanted})"
            )
        else:
            problems.append(
                f"the database has revision {revision}, which this release does not know: upgrade tradecore"
            )
    if problems:
        raise ConfigurationError.of(problems)
