"""Schedules and idempotency keys; open orders of an account, and the signal of a job, by an index."""

from sqlalchemy import BigInteger, Column, MetaData, String, Table, UniqueConstraint

from tradecore.db.base import NAMING
from tradecore.db.types import ExactString, Json, UtcDateTime
from tradecore.models.migrations.steps import ORDINARY, change_indexes, create, drop

revision = "core_0002"
down_revision = "core_0001"
branch_labels = None
depends_on = None

metadata = MetaData(naming_convention=NAMING)

Table(
    "tc_idempotency_keys",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("scope", ExactString(200), nullable=False),
    Column("key", ExactString(255), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("state", String(24), nullable=False),
    Column("response", Json),
    Column("token", BigInteger, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("scope", "key"),
    **ORDINARY,
)

Table(
    "tc_schedules",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", ExactString(100), nullable=False, unique=True),
    Column("spec", String(200), nullable=False),
    Column("tz", String(64), nullable=False),
    Column("next_at", UtcDateTime, index=True),
    Column("task", String(100), nullable=False),
    Column("args", Json, nullable=False),
    Column("misfire", String(24), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    **ORDINARY,
)


def upgrade() -> None:
    """Create the tables and the indexes."""
    change_indexes("tc_inbox", add=[("job_uid",)])
    change_indexes("tc_orders", add=[("account", "ended_at")])
    create(metadata)


def downgrade() -> None:
    """Drop them, with what is in them."""
    drop(metadata)
    change_indexes("tc_orders", drop=[("account", "ended_at")])
    change_indexes("tc_inbox", drop=[("job_uid",)])
