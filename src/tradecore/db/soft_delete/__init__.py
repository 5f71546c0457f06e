"""Deleting rows that stay, seeing them, bringing them back, and removing them for good after their time.

The rows of a :class:`~tradecore.db.SoftDeleted` model are marked instead of removed, and nothing that goes through a
session sees them any more. Every function takes the session of a running transaction; async code reaches them by
``await db.run(fn)`` or ``await session.run_sync(fn)``.
"""

from .deleting import delete, delete_where, erase, live_unique, purge
from .guarding import guard
from .hiding import ONLY_DELETED, WITH_DELETED, only_deleted, with_deleted
from .restoring import restore

__all__ = [
    "ONLY_DELETED",
    "WITH_DELETED",
    "delete",
    "delete_where",
    "erase",
    "guard",
    "live_unique",
    "only_deleted",
    "purge",
    "restore",
    "with_deleted",
]
