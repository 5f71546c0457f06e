"""The credentials and tokens of broker connections, sealed."""

from sqlalchemy import MetaData

from tradecore.db import SealedText
from tradecore.models.migrations.steps import add_columns, drop_columns

revision = "platform_0003"
down_revision = "platform_0002"
branch_labels = None
depends_on = "core_0005"

metadata = MetaData()
# Table -> nullable columns that are new.
ADDED = {
    "broker_connections": {
        "credentials": SealedText(),
        "access_token": SealedText(),
        "refresh_token": SealedText(),
    }
}


def upgrade() -> None:
    """Add the columns."""
    add_columns(ADDED)


def downgrade() -> None:
    """Drop them, with what is sealed in them."""
    drop_columns(ADDED)
