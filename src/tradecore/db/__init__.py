"""The database: engines with safe settings, units of work that are retried whole, ids, column types and leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy
from . import leases, soft_delete
from .base import Base, Partitioned, SoftDeleted, Timestamped, Versioned
from .database import Database
from .holding import Held
from .ids import historic_id, id_at, new_id, time_of
from .leases import Lease, one_at_a_time
from .moment import now
from .pages.export import Chunk
from .pages.page import OffsetPage, Page, Total
from .pages.query import Field, Query
from .pools import PoolStats
from .reading import only_reads
from .repository import Repository
from .sealing import Sealed, SealedText, sealed, sealed_equals
from .shapes import Currency, Email, IpAddress, TimeOfDay, TimeZone
from .timeline import IdRange, id_range
from .types import Cents, EnumString, ExactDecimal, ExactString, Json, UtcDateTime, Words
from .upsert import Upserted

if TYPE_CHECKING:
    from .async_database import AsyncDatabase
    from .async_repository import AsyncRepository

__all__ = [
    "AsyncDatabase",
    "AsyncRepository",
    "Base",
    "Cents",
    "Chunk",
    "Currency",
    "Database",
    "Email",
    "EnumString",
    "ExactDecimal",
    "ExactString",
    "Field",
    "Held",
    "IdRange",
    "IpAddress",
    "Json",
    "Lease",
    "OffsetPage",
    "Page",
    "Partitioned",
    "PoolStats",
    "Query",
    "Repository",
    "Sealed",
    "SealedText",
    "SoftDeleted",
    "TimeOfDay",
    "TimeZone",
    "Timestamped",
    "Total",
    "Upserted",
    "UtcDateTime",
    "Versioned",
    "Words",
    "historic_id",
    "id_at",
    "id_range",
    "leases",
    "new_id",
    "now",
    "one_at_a_time",
    "only_reads",
    "sealed",
    "sealed_equals",
    "soft_delete",
    "time_of",
]

# SQLAlchemy's async half needs greenlet, which the extra `async` brings; who uses no event loop needs neither.
__getattr__ = lazy(__name__, {"AsyncDatabase": ".async_database", "AsyncRepository": ".async_repository"}, globals())
