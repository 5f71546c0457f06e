"""Which tables are audited by triggers, as the database itself says."""

from __future__ import annotations

from sqlalchemy import Connection, text

__all__ = ["PREFIX", "resources_with_triggers"]

PREFIX = "tc_audit_on_"
"""How the names of audit triggers begin; the rest is the resource type and the operation's letter."""

_LISTED = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT DISTINCT tgname FROM pg_trigger WHERE tgenabled <> 'D' AND NOT tgisinternal",
    "mysql": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
}


def resources_with_triggers(connection: Connection) -> frozenset[str]:
    """Return the resource types whose rows the database itself records."""
    names = connection.execute(
        text(_LISTED[connection.dialect.name if connection.dialect.name in _LISTED else "mysql"])
    )
    return frozenset(str(name)[len(PREFIX) : -2] for (name,) in names if str(name).startswith(PREFIX))
