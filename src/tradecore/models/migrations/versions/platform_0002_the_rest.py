"""The rest of the platform: billing, settings, benchmarks, batches, reviews, books compared, paper, notifications.

And checks on the tables that were there.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tradecore.db.base import NAMING
from tradecore.db.constraints import at_least_zero, both_or_neither, in_order, positive, time_of_day
from tradecore.db.types import ExactDecimal, ExactString, Json, UtcDateTime
from tradecore.models.migrations.steps import ORDINARY, change_checks, change_indexes, create, drop, partitioned, retype

revision = "platform_0002"
down_revision = "platform_0001"
branch_labels = None
depends_on = "core_0002"

metadata = MetaData(naming_convention=NAMING)
# What was there, as far as foreign keys need it.
EARLIER: tuple[str, ...] = ("broker_connections", "instruments", "open_positions", "strategies", "tc_orders", "trades")
EARLIER += ("users", "webhook_logs")
for _name in EARLIER:
    Table(_name, metadata, Column("id", BigInteger, primary_key=True))


def _link(name: str, target: str, ondelete: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, ForeignKey(f"{target}.id", ondelete=ondelete), **options)


def _table(name: str, *parts: Any, by: str | None = None) -> None:
    Table(
        name,
        metadata,
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        *(part for part in parts if isinstance(part, Column)),
        Column("created_at", UtcDateTime, nullable=False),
        Column("updated_at", UtcDateTime, nullable=False),
        *(part for part in parts if not isinstance(part, Column)),
        **(ORDINARY if by is None else partitioned(by)),
    )


_table(
    "benchmarks",
    Column("symbol", ExactString(50), nullable=False),
    Column("date", Date, nullable=False),
    Column("open", ExactDecimal, nullable=False),
    Column("high", ExactDecimal, nullable=False),
    Column("low", ExactDecimal, nullable=False),
    Column("close", ExactDecimal, nullable=False),
    Column("volume", ExactDecimal),
    UniqueConstraint("symbol", "date"),
    *in_order("low", "high", equal=True),
    *at_least_zero("volume"),
    *positive("close", "high", "low", "open"),
)
_table(
    "subscription_tiers",
    Column("name", ExactString(64), nullable=False, unique=True),
    Column("description", Text),
    Column("price_monthly_cents", BigInteger, nullable=False),
    Column("price_yearly_cents", BigInteger, nullable=False),
    Column("max_strategies", BigInteger),
    Column("max_broker_connections", BigInteger),
    Column("auto_execute_allowed", Boolean, nullable=False),
    Column("priority_support", Boolean, nullable=False),
    Column("stripe_product_id", ExactString(64)),
    Column("stripe_monthly_price_id", ExactString(64)),
    Column("stripe_yearly_price_id", ExactString(64)),
    Column("active", Boolean, nullable=False),
    *at_least_zero("max_broker_connections", "max_strategies", "price_monthly_cents", "price_yearly_cents", whole=True),
)
_table(
    "billing_subscriptions",
    _link("user_id", "users", "CASCADE", nullable=False),
    _link("tier_id", "subscription_tiers", "RESTRICT", nullable=False, index=True),
    Column("status", String(24), nullable=False),
    Column("billing_cycle", String(24), nullable=False),
    Column("period_start_at", UtcDateTime),
    Column("period_end_at", UtcDateTime),
    Column("trial_start_at", UtcDateTime),
    Column("trial_end_at", UtcDateTime),
    Column("stripe_customer_id", ExactString(64)),
    Column("stripe_subscription_id", ExactString(64), unique=True),
    Column("cancel_at_period_end", Boolean, nullable=False),
    Column("canceled_at", UtcDateTime),
    Index(None, "user_id", "status"),
    *in_order("period_start_at", "period_end_at"),
    *in_order("trial_start_at", "trial_end_at"),
)
_table(
    "broker_instruments",
    _link("instrument_id", "instruments", "CASCADE", nullable=False, index=True),
    Column("broker", ExactString(40), nullable=False),
    Column("broker_symbol", ExactString(50), nullable=False),
    Column("broker_contract_id", ExactString(128), nullable=False),
    UniqueConstraint("broker", "broker_contract_id"),
)
_table(
    "notification_preferences",
    _link("user_id", "users", "CASCADE", nullable=False, unique=True),
    Column("mute_trade_executed", Boolean, nullable=False),
    Column("mute_trade_error", Boolean, nullable=False),
    Column("mute_position_opened", Boolean, nullable=False),
    Column("mute_position_closed", Boolean, nullable=False),
    Column("mute_webhook_failed", Boolean, nullable=False),
    Column("mute_daily_digest", Boolean, nullable=False),
    Column("mute_system", Boolean, nullable=False),
    Column("global_mute", Boolean, nullable=False),
    Column("email_enabled", Boolean, nullable=False),
    Column("push_enabled", Boolean, nullable=False),
    Column("in_app_enabled", Boolean, nullable=False),
    Column("sound_enabled", Boolean, nullable=False),
    Column("email_address", ExactString(254)),
    Column("quiet_hours_start", String(5)),
    Column("quiet_hours_end", String(5)),
    Column("quiet_hours_timezone", String(64), nullable=False),
    *both_or_neither("quiet_hours_start", "quiet_hours_end", name="quiet_hours_paired"),
    *time_of_day("quiet_hours_end", "quiet_hours_start"),
)
_table(
    "paper_accounts",
    _link("user_id", "users", "CASCADE", nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("starting_balance_cents", BigInteger, nullable=False),
    Column("balance_cents", BigInteger, nullable=False),
    Column("realized_pnl_cents", BigInteger, nullable=False),
    Column("active", Boolean, nullable=False),
    *at_least_zero("starting_balance_cents", whole=True),
)
_table(
    "portfolio_configs",
    _link("user_id", "users", "CASCADE", nullable=False, unique=True),
    Column("portfolio_name", String(100), nullable=False),
    Column("starting_capital_cents", BigInteger),
    Column("max_portfolio_drawdown", ExactDecimal),
    Column("max_daily_loss_cents", BigInteger),
    Column("max_correlation", ExactDecimal),
    Column("max_leverage", ExactDecimal),
    Column("margin_requirement", ExactDecimal),
    Column("default_time_range", String(24), nullable=False),
    Column("benchmark_symbol", ExactString(50)),
    Column("drawdown_alert_threshold", ExactDecimal),
    *at_least_zero(
        "drawdown_alert_threshold", "margin_requirement", "max_correlation", "max_leverage", "max_portfolio_drawdown"
    ),
    *at_least_zero("max_daily_loss_cents", "starting_capital_cents", whole=True),
)
_table(
    "signal_batches",
    Column("batch_id", ExactString(64), nullable=False, unique=True),
    _link("strategy_id", "strategies", "CASCADE", nullable=False),
    Column("window_start_at", UtcDateTime, nullable=False),
    Column("window_end_at", UtcDateTime, nullable=False),
    Column("signal_count", BigInteger, nullable=False),
    Column("net_direction", String(24)),
    Column("net_quantity", ExactDecimal),
    Column("average_price", ExactDecimal),
    Column("status", String(24), nullable=False),
    Index(None, "status", "window_end_at"),
    Index(None, "strategy_id", "window_start_at"),
    *in_order("window_start_at", "window_end_at"),
    *at_least_zero("net_quantity"),
    *at_least_zero("signal_count", whole=True),
    *positive("average_price"),
)
_table(
    "strategy_notification_settings",
    _link("user_id", "users", "CASCADE", nullable=False),
    _link("strategy_id", "strategies", "CASCADE", nullable=False, index=True),
    Column("email_enabled", Boolean, nullable=False),
    Column("push_enabled", Boolean, nullable=False),
    UniqueConstraint("user_id", "strategy_id"),
)
_table(
    "user_preferences",
    _link("user_id", "users", "CASCADE", nullable=False, unique=True),
    Column("contract_size", String(24), nullable=False),
    Column("account_value_cents", BigInteger),
    Column("theme", String(24), nullable=False),
    Column("timezone", String(64), nullable=False),
    *at_least_zero("account_value_cents", whole=True),
)
_table(
    "user_strategy_settings",
    _link("user_id", "users", "CASCADE", nullable=False),
    _link("strategy_id", "strategies", "CASCADE", nullable=False, index=True),
    Column("position_size_type", String(24), nullable=False),
    Column("fixed_contracts", BigInteger),
    Column("percent_equity", ExactDecimal),
    Column("risk_per_trade", ExactDecimal),
    Column("max_contracts", BigInteger),
    Column("max_drawdown_limit", ExactDecimal),
    Column("daily_loss_limit_cents", BigInteger),
    Column("max_consecutive_losses", BigInteger),
    Column("contract_type", String(24)),
    Column("show_in_dashboard", Boolean, nullable=False),
    Column("display_color", String(20)),
    UniqueConstraint("user_id", "strategy_id"),
    *at_least_zero("max_drawdown_limit", "percent_equity", "risk_per_trade"),
    *at_least_zero("daily_loss_limit_cents", "fixed_contracts", "max_consecutive_losses", "max_contracts", whole=True),
)
_table(
    "paper_positions",
    _link("paper_account_id", "paper_accounts", "CASCADE", nullable=False),
    Column("symbol", ExactString(50), nullable=False),
    Column("direction", String(24), nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    Column("average_price", ExactDecimal, nullable=False),
    Column("exit_price", ExactDecimal),
    Column("realized_pnl_cents", BigInteger, nullable=False),
    Column("status", String(24), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Index(None, "paper_account_id", "status"),
    *in_order("opened_at", "closed_at", equal=True),
    *at_least_zero("average_price", "exit_price", "quantity"),
)
_table(
    "payments",
    _link("user_id", "users", "RESTRICT", nullable=False),
    _link("billing_subscription_id", "billing_subscriptions", "SET NULL", index=True),
    Column("amount_cents", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(24), nullable=False),
    Column("stripe_payment_intent_id", ExactString(64), unique=True),
    Column("stripe_invoice_id", ExactString(64)),
    Column("receipt_url", String(500)),
    Column("description", Text),
    Index(None, "user_id", "created_at"),
    *at_least_zero("amount_cents", whole=True),
)
_table(
    "reconciliations",
    Column("run_id", ExactString(64), nullable=False, unique=True),
    _link("broker_connection_id", "broker_connections", "CASCADE", nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("status", String(24), nullable=False),
    Column("error", Text),
    Index(None, "broker_connection_id", "started_at"),
    *in_order("started_at", "ended_at", equal=True),
)
_table(
    "paper_trades",
    _link("paper_account_id", "paper_accounts", "CASCADE", nullable=False),
    _link("paper_position_id", "paper_positions", "SET NULL", index=True),
    Column("symbol", ExactString(50), nullable=False),
    Column("side", String(24), nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    Column("price", ExactDecimal, nullable=False),
    Column("pnl_cents", BigInteger, nullable=False),
    Column("commission_cents", BigInteger, nullable=False),
    Column("executed_at", UtcDateTime, nullable=False),
    Index(None, "paper_account_id", "executed_at"),
    *at_least_zero("price"),
    *positive("quantity"),
)
_table(
    "notifications",
    _link("user_id", "users", "CASCADE", nullable=False),
    Column("type", String(24), nullable=False, index=True),
    Column("title", String(200), nullable=False),
    Column("message", Text, nullable=False),
    _link("strategy_id", "strategies", "SET NULL", index=True),
    _link("trade_id", "trades", "SET NULL", index=True),
    _link("webhook_log_id", "webhook_logs", "SET NULL", index=True),
    Column("read_at", UtcDateTime),
    Column("dismissed_at", UtcDateTime),
    Column("email_sent_at", UtcDateTime),
    Index(None, "user_id", "read_at", "created_at"),
    by="month",
)
_table(
    "staging_trades",
    _link("webhook_log_id", "webhook_logs", "SET NULL", index=True),
    _link("strategy_id", "strategies", "CASCADE", nullable=False, index=True),
    Column("direction", String(24), nullable=False),
    Column("entry_at", UtcDateTime, nullable=False),
    Column("exit_at", UtcDateTime),
    Column("entry_price", ExactDecimal, nullable=False),
    Column("exit_price", ExactDecimal),
    Column("quantity", ExactDecimal, nullable=False),
    Column("pnl_cents", BigInteger),
    Column("commission_cents", BigInteger, nullable=False),
    Column("status", String(24), nullable=False),
    _link("reviewed_by", "users", "SET NULL", index=True),
    Column("reviewed_at", UtcDateTime),
    Column("review_notes", Text),
    Column("original_payload", Json),
    _link("trade_id", "trades", "SET NULL", index=True),
    Index(None, "status", "created_at"),
    *in_order("entry_at", "exit_at", equal=True),
    *at_least_zero("entry_price", "exit_price"),
    *positive("quantity"),
)
_table(
    "user_signals",
    _link("user_id", "users", "CASCADE", nullable=False),
    _link("webhook_log_id", "webhook_logs", "SET NULL", index=True),
    _link("strategy_id", "strategies", "CASCADE", nullable=False, index=True),
    Column("direction", String(24), nullable=False),
    Column("price", ExactDecimal),
    Column("quantity", ExactDecimal),
    Column("action", String(24), nullable=False, index=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("action_taken_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    _link("order_id", "tc_orders", "SET NULL", index=True),
    Index(None, "user_id", "strategy_id"),
    *in_order("received_at", "expires_at"),
    *positive("price", "quantity"),
)
_table(
    "reconciliation_items",
    _link("reconciliation_id", "reconciliations", "CASCADE", nullable=False),
    Column("finding", String(24), nullable=False),
    Column("symbol", ExactString(50)),
    _link("open_position_id", "open_positions", "SET NULL", index=True),
    _link("order_id", "tc_orders", "SET NULL", index=True),
    Column("broker_order_id", ExactString(128)),
    Column("our_direction", String(24)),
    Column("broker_direction", String(24)),
    Column("our_quantity", ExactDecimal),
    Column("broker_quantity", ExactDecimal),
    Column("our_price", ExactDecimal),
    Column("broker_price", ExactDecimal),
    Column("our_status", String(60)),
    Column("broker_status", String(60)),
    Column("resolved_at", UtcDateTime, index=True),
    Column("resolved_by", ExactString(100)),
    Column("resolution_action", String(40)),
    Column("notes", Text),
    Index(None, "reconciliation_id", "finding"),
)
_table(
    "position_adjustments",
    _link("open_position_id", "open_positions", "SET NULL", index=True),
    Column("adjustment_type", String(24), nullable=False),
    Column("before_direction", String(24)),
    Column("after_direction", String(24)),
    Column("before_quantity", ExactDecimal),
    Column("after_quantity", ExactDecimal),
    Column("before_price", ExactDecimal),
    Column("after_price", ExactDecimal),
    Column("reason", Text, nullable=False),
    Column("adjusted_by", ExactString(100), nullable=False),
    _link("reconciliation_item_id", "reconciliation_items", "SET NULL", index=True),
    *at_least_zero("after_price", "after_quantity", "before_price", "before_quantity"),
)


# What the earlier tables lacked; made anew at each call, since a check joins one table.
def _lacked() -> dict[str, list[Any]]:
    return {
        "open_positions": [*at_least_zero("average_price", "exit_price", "exited_quantity")],
        "routing_rules": [*at_least_zero("max_daily_loss_cents", whole=True)],
        "strategies": [*positive("micro_to_mini_ratio", whole=True)],
        "strategy_subscriptions": [*at_least_zero("account_value_cents", whole=True)],
        "trades": [*positive("quantity"), *at_least_zero("entry_price", "exit_price")],
        "users": [
            *at_least_zero("starting_capital_cents", "account_size_cents", whole=True),
            *at_least_zero("risk_percentage"),
        ],
        "webhook_logs": [*positive("price", "quantity"), *at_least_zero("processing_ms", whole=True)],
    }


def upgrade() -> None:
    """Create the tables; check what was not checked."""
    change_checks(add=_lacked(), drop={"trades": at_least_zero("quantity")})
    # MariaDB took jose@ and josé@ for one address.
    retype("users", "email", ExactString(254), only=("mysql", "mariadb"))
    change_indexes("open_positions", add=[("broker_connection_id", "status")], drop=[("broker_connection_id",)])
    create(metadata, but=EARLIER)


def downgrade() -> None:
    """Drop the tables, with what is in them, and the checks; addresses go on being told apart."""
    drop(metadata, but=EARLIER)
    change_indexes("open_positions", add=[("broker_connection_id",)], drop=[("broker_connection_id", "status")])
    change_checks(add={"trades": at_least_zero("quantity")}, drop=_lacked())
