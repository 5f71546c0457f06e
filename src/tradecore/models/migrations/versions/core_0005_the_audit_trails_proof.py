"""The proof beside the audit log: leaves, seals, checkpoints; the log's rows are only added from here on."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

from tradecore.audit import append_only
from tradecore.db.base import NAMING
from tradecore.db.types import Json, UtcDateTime
from tradecore.models.migrations.steps import ORDINARY, add_columns, create, drop, drop_columns

revision = "core_0005"
down_revision = "core_0004"
branch_labels = None
depends_on = None

metadata = MetaData(naming_convention=NAMING)

Table(
    "tc_audit_leaves",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_id", BigInteger, nullable=False, unique=True),
    Column("hash", String(64), nullable=False),
    Column("salt", String(32)),
    Column("commitment", String(64)),
    **ORDINARY,
)

Table(
    "tc_audit_seals",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("root", String(64), nullable=False),
    Column("members", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("head", String(64), nullable=False),
    Column("form", Integer, nullable=False),
    Column("mac", String(64)),
    Column("retired_at", UtcDateTime),
    **ORDINARY,
)

Table(
    "tc_audit_checkpoints",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("origin", String(200), nullable=False),
    Column("head", String(64), nullable=False),
    Column("note", Text, nullable=False),
    **ORDINARY,
)


# Table -> nullable columns that are new.
ADDED = {"tc_audit_log": {"personal": Json()}}


def upgrade() -> None:
    """Create the tables, and have the database refuse changes of the log."""
    add_columns(ADDED)
    create(metadata)
    append_only.enforce(op.get_bind())


def downgrade() -> None:
    """Let the log be changed again, and drop the proof."""
    append_only.lift(op.get_bind())
    drop(metadata)
    drop_columns(ADDED)
