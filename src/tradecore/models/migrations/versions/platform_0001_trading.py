"""The platform: users, strategies, instruments, connections, rules, arrivals, positions, trades."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tradecore.db.base import NAMING
from tradecore.db.constraints import Generated, at_least_zero, positive
from tradecore.db.types import ExactDecimal, ExactString, Json, UtcDateTime
from tradecore.models.migrations.steps import ORDINARY, create, drop, partitioned

revision = "platform_0001"
down_revision = None
branch_labels = ("platform",)
depends_on = "core_0001"

metadata = MetaData(naming_convention=NAMING)
# The core's, as far as foreign keys need it.
Table("tc_orders", metadata, Column("id", BigInteger, primary_key=True))

Table(
    "instruments",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("symbol", ExactString(50), nullable=False),
    Column("asset_class", String(24), nullable=False),
    Column("exchange", ExactString(20), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("multiplier", ExactDecimal, nullable=False),
    Column("tick_size", ExactDecimal),
    Column("front_month_of", BigInteger, ForeignKey("instruments.id", ondelete="SET NULL"), index=True),
    Column("expires_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("symbol", "exchange"),
    *positive("multiplier", "tick_size"),
    **ORDINARY,
)

Table(
    "strategies",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("symbol", ExactString(100), nullable=False),
    Column("name", String(100), nullable=False),
    Column("description", Text),
    Column("market", String(50)),
    Column("strategy_type", String(50)),
    Column("active", Boolean, nullable=False),
    Column("contract_size", String(24)),
    Column("micro_to_mini_ratio", BigInteger, nullable=False),
    Column("deleted_at", UtcDateTime),
    Column("deleted_by", BigInteger),
    Column("delete_batch", BigInteger),
    Column("live", Integer, Generated("CASE WHEN deleted_at IS NULL THEN 1 END")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("symbol", "live"),
    **ORDINARY,
)

Table(
    "users",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("external_id", ExactString(64), unique=True),
    Column("name", String(100), nullable=False),
    Column("email", String(254), unique=True),
    Column("password_hash", String(255)),
    Column("login_method", String(40)),
    Column("role", String(24), nullable=False),
    Column("subscription_tier", String(24), nullable=False),
    Column("subscription_status", String(24)),
    Column("stripe_customer_id", ExactString(64)),
    Column("stripe_subscription_id", ExactString(64)),
    Column("starting_capital_cents", BigInteger),
    Column("account_size_cents", BigInteger),
    Column("risk_percentage", ExactDecimal),
    Column("contract_size", String(24)),
    Column("onboarding_completed_at", UtcDateTime),
    Column("last_signed_in_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    **ORDINARY,
)

Table(
    "broker_connections",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("broker", ExactString(40), nullable=False),
    Column("name", ExactString(100), nullable=False),
    Column("environment", String(24), nullable=False),
    Column("status", String(24), nullable=False),
    Column("token_expires_at", UtcDateTime),
    Column("account_id", ExactString(100)),
    Column("account_name", String(100)),
    Column("account_type", String(40)),
    Column("last_connected_at", UtcDateTime),
    Column("last_error", Text),
    Column("deleted_at", UtcDateTime),
    Column("deleted_by", BigInteger),
    Column("delete_batch", BigInteger),
    Column("house", Integer, Generated("CASE WHEN user_id IS NULL AND deleted_at IS NULL THEN 1 END")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("name", "house"),
    **ORDINARY,
)

Table(
    "strategy_subscriptions",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("strategy_id", BigInteger, ForeignKey("strategies.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("notifications_enabled", Boolean, nullable=False),
    Column("auto_execute_enabled", Boolean, nullable=False),
    Column("quantity_multiplier", ExactDecimal, nullable=False),
    Column("max_position_size", ExactDecimal),
    Column("account_value_cents", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("user_id", "strategy_id"),
    *positive("quantity_multiplier", "max_position_size"),
    **ORDINARY,
)

Table(
    "routing_rules",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("strategy_id", BigInteger, ForeignKey("strategies.id", ondelete="CASCADE"), index=True),
    Column(
        "broker_connection_id",
        BigInteger,
        ForeignKey("broker_connections.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("name", String(100), nullable=False),
    Column("direction", String(24)),
    Column("enabled", Boolean, nullable=False),
    Column("auto_execute", Boolean, nullable=False),
    Column("quantity_multiplier", ExactDecimal, nullable=False),
    Column("max_position_size", ExactDecimal),
    Column("max_daily_loss_cents", BigInteger),
    Column("priority", BigInteger, nullable=False),
    Column("deleted_at", UtcDateTime),
    Column("deleted_by", BigInteger),
    Column("delete_batch", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    *positive("quantity_multiplier", "max_position_size"),
    **ORDINARY,
)

Table(
    "trades",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("strategy_id", BigInteger, ForeignKey("strategies.id", ondelete="CASCADE"), nullable=False),
    Column("broker_connection_id", BigInteger, ForeignKey("broker_connections.id", ondelete="SET NULL"), index=True),
    Column("direction", String(24), nullable=False),
    Column("entry_at", UtcDateTime, nullable=False),
    Column("exit_at", UtcDateTime, nullable=False, index=True),
    Column("entry_price", ExactDecimal, nullable=False),
    Column("exit_price", ExactDecimal, nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    Column("pnl_cents", BigInteger, nullable=False),
    Column("pnl_percent", ExactDecimal),
    Column("commission_cents", BigInteger, nullable=False),
    Column("source", String(24), nullable=False, index=True),
    Column("is_test", Boolean, nullable=False),
    Column("deleted_at", UtcDateTime),
    Column("deleted_by", BigInteger),
    Column("delete_batch", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "is_test", "exit_at"),
    Index(None, "is_test", "strategy_id"),
    Index(None, "strategy_id", "entry_at", "exit_at"),
    CheckConstraint("entry_at <= exit_at", name="entry_before_exit"),
    *at_least_zero("quantity"),
    **partitioned("year"),
)

Table(
    "webhook_logs",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("source", ExactString(100), nullable=False),
    Column("signal_id", ExactString(128)),
    Column("strategy_id", BigInteger, ForeignKey("strategies.id", ondelete="SET NULL")),
    Column("strategy_symbol", ExactString(100)),
    Column("payload", Json),
    Column("payload_sha256", String(64)),
    Column("status", String(24), nullable=False),
    Column("error_code", String(60)),
    Column("error_message", Text),
    Column("direction", String(24)),
    Column("action", String(24)),
    Column("price", ExactDecimal),
    Column("quantity", ExactDecimal),
    Column("signaled_at", UtcDateTime),
    Column("correlation_id", String(128)),
    Column("request_id", String(128)),
    Column("ip_address", String(45)),
    Column("user_agent", String(500)),
    Column("processing_ms", BigInteger),
    Column("trade_id", BigInteger, ForeignKey("trades.id", ondelete="SET NULL"), index=True),
    Column("inbox_id", BigInteger, index=True),
    Column("is_test", Boolean, nullable=False),
    Column("deleted_at", UtcDateTime),
    Column("deleted_by", BigInteger),
    Column("delete_batch", BigInteger),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "status", "created_at"),
    Index(None, "strategy_id", "created_at"),
    **partitioned("month"),
)

Table(
    "open_positions",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("strategy_id", BigInteger, ForeignKey("strategies.id", ondelete="CASCADE"), nullable=False),
    Column("broker_connection_id", BigInteger, ForeignKey("broker_connections.id", ondelete="SET NULL"), index=True),
    Column("symbol", ExactString(50), nullable=False),
    Column("direction", String(24), nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    Column("average_price", ExactDecimal, nullable=False),
    Column("entry_at", UtcDateTime, nullable=False),
    Column("entry_webhook_log_id", BigInteger, ForeignKey("webhook_logs.id", ondelete="SET NULL"), index=True),
    Column("exit_webhook_log_id", BigInteger, ForeignKey("webhook_logs.id", ondelete="SET NULL"), index=True),
    Column("exit_price", ExactDecimal),
    Column("exit_at", UtcDateTime),
    Column("exited_quantity", ExactDecimal, nullable=False),
    Column("exited_cost", ExactDecimal, nullable=False),
    Column("realized_pnl_cents", BigInteger, nullable=False),
    Column("commission_cents", BigInteger, nullable=False),
    Column("status", String(24), nullable=False),
    Column("trade_id", BigInteger, ForeignKey("trades.id", ondelete="SET NULL"), index=True),
    Column("is_test", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column(
        "open_at_connection",
        BigInteger,
        Generated("CASE WHEN status <> 'closed' THEN COALESCE(broker_connection_id, 0) END"),
    ),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("strategy_id", "symbol", "open_at_connection"),
    Index(None, "strategy_id", "status"),
    *at_least_zero("quantity"),
    **ORDINARY,
)

Table(
    "order_origins",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("order_id", BigInteger, ForeignKey("tc_orders.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="RESTRICT"), index=True),
    Column("broker_connection_id", BigInteger, ForeignKey("broker_connections.id", ondelete="RESTRICT"), index=True),
    Column("routing_rule_id", BigInteger, ForeignKey("routing_rules.id", ondelete="SET NULL"), index=True),
    Column("strategy_id", BigInteger, ForeignKey("strategies.id", ondelete="SET NULL"), index=True),
    Column("webhook_log_id", BigInteger, ForeignKey("webhook_logs.id", ondelete="SET NULL"), index=True),
    Column("open_position_id", BigInteger, ForeignKey("open_positions.id", ondelete="SET NULL"), index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    **ORDINARY,
)


def upgrade() -> None:
    """Create the tables."""
    create(metadata, but=("tc_orders",))


def downgrade() -> None:
    """Drop them, with what is in them."""
    drop(metadata, but=("tc_orders",))
