"""How far the rotation of each sealed column has come."""

from sqlalchemy import BigInteger, Boolean, Column, MetaData, Table, UniqueConstraint

from tradecore.db.base import NAMING
from tradecore.db.types import ExactString, Json, UtcDateTime
from tradecore.models.migrations.steps import ORDINARY, create, drop

revision = "core_0004"
down_revision = "core_0003"
branch_labels = None
depends_on = None

metadata = MetaData(naming_convention=NAMING)

Table(
    "tc_key_rotations",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("table_name", ExactString(100), nullable=False),
    Column("column_name", ExactString(100), nullable=False),
    Column("key_id", ExactString(8), nullable=False),
    Column("cursor", Json),
    Column("rows", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("table_name", "column_name", "key_id"),
    **ORDINARY,
)


def upgrade() -> None:
    """Create the table."""
    create(metadata)


def downgrade() -> None:
    """Drop it: a rotation then begins anew, and finds what is done already."""
    drop(metadata)
