"""How far the rotation of each sealed column has come."""

from sqlalchemy import BigInteger, Boolean, Column, MetaData, String, Table

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
    Column("table_name", ExactString(100), primary_key=True),
    Column("column_name", ExactString(100), primary_key=True),
    Column("key_id", String(8), primary_key=True),
    Column("cursor", Json),
    Column("rows", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    **ORDINARY,
)


def upgrade() -> None:
    """Create the table."""
    create(metadata)


def downgrade() -> None:
    """Drop it: a rotation then begins anew, and finds what is done already."""
    drop(metadata)
