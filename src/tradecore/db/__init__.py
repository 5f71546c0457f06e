"""The database: engines with safe settings, units of work that are retried whole, ids, column types and leases."""

from . import leases
from .async_database import AsyncDatabase
from .base import Base, Partitioned, SoftDeleted, Timestamped, Versioned
from .database import Database
from .holding import Held
from .ids import historic_id, id_at, new_id, time_of
from .leases import Lease
from .moment import now
from .reading import only_reads
from .types import EnumString, ExactDecimal, ExactString, Json, UtcDateTime

__all__ = [
    "AsyncDatabase",
    "Base",
    "Database",
    "EnumString",
    "ExactDecimal",
    "ExactString",
    "Held",
    "Json",
    "Lease",
    "Partitioned",
    "SoftDeleted",
    "Timestamped",
    "UtcDateTime",
    "Versioned",
    "historic_id",
    "id_at",
    "leases",
    "new_id",
    "now",
    "only_reads",
    "time_of",
]
