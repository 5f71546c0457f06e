"""What sanitizing changed in a signal is kept beside it."""

from sqlalchemy import MetaData

from tradecore.db.types import Json
from tradecore.models.migrations.steps import add_columns, drop_columns

revision = "core_0003"
down_revision = "core_0002"
branch_labels = None
depends_on = None

metadata = MetaData()
# Table -> nullable columns that are new.
ADDED = {"tc_inbox": {"changes": Json()}}


def upgrade() -> None:
    """Add the column."""
    add_columns(ADDED)


def downgrade() -> None:
    """Drop it, with the reports in it."""
    drop_columns(ADDED)
