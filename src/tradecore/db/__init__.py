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
from .pools import PoolStats
from .reading import only_reads
from .shapes import Currency, Email, IpAddress, TimeOfDay, TimeZone
from .timeline import IdRange, id_range
from .types import Cents, EnumString, ExactDecimal, ExactString, Json, UtcDateTime, Words

if TYPE_CHECKING:
    from .async_database import AsyncDatabase

__all__ = [
    "AsyncDatabase",
    "Base",
    "Cents",
    "Currency",
    "Database",
    "Email",
    "EnumString",
    "ExactDecimal",
    "ExactString",
    "Held",
    "IdRange",
    "IpAddress",
    "Json",
    "Lease",
    "Partitioned",
    "PoolStats",
    "SoftDeleted",
    "TimeOfDay",
    "TimeZone",
    "Timestamped",
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
    "soft_delete",
    "time_of",
]

# SQLAlchemy's async half needs greenlet, which the extra `async` brings; who uses no event loop needs neither.
__getattr__ = lazy(__name__, {"AsyncDatabase": ".async_database"}, globals())
