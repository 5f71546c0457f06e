"""The core: inbox, jobs, orders and their ledger, fills, audit trail, leases."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, MetaData, String, Table, Text, UniqueConstraint

from tradecore.db.base import NAMING
from tradecore.db.constraints import at_least_zero, between_zero_and, positive
from tradecore.db.types import ExactDecimal, ExactString, Json, UtcDateTime
from tradecore.models.migrations.steps import ORDINARY, create, drop, partitioned

revision = "core_0001"
down_revision = None
branch_labels = ("core",)
depends_on = None

metadata = MetaData(naming_convention=NAMING)


Table(
    "tc_audit_log",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor_type", String(24), nullable=False),
    Column("actor_id", ExactString(100)),
    Column("action", String(100), nullable=False),
    Column("resource_type", String(60), nullable=False),
    Column("resource_id", ExactString(128), nullable=False),
    Column("old_value", Json),
    Column("new_value", Json),
    Column("outcome", String(24), nullable=False),
    Column("error_message", Text),
    Column("reason", Text),
    Column("ip_address", String(45)),
    Column("user_agent", String(500)),
    Column("request_id", String(128)),
    Column("tx", String(64)),
    Column("mac", String(64)),
    Index(None, "actor_id", "action"),
    Index(None, "resource_type", "resource_id"),
    **partitioned("month"),
)

Table(
    "tc_inbox",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", ExactString(100), nullable=False),
    Column("source", ExactString(100), nullable=False),
    Column("signal_id", ExactString(128), nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("canonical_sha256", String(64), nullable=False),
    Column("signal", Json, nullable=False),
    Column("receipt", Json, nullable=False),
    Column("job_uid", ExactString(32)),
    Column("request_id", String(128)),
    Column("trace", String(200), nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("keep_until", UtcDateTime, index=True),
    Column("routed_at", UtcDateTime),
    Column("outcome", String(40)),
    Column("order_count", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("tenant", "source", "signal_id"),
    Index(None, "routed_at", "id"),
    **ORDINARY,
)

Table(
    "tc_jobs",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", ExactString(32), nullable=False, unique=True),
    Column("task", String(100), nullable=False),
    Column("args", Json, nullable=False),
    Column("key", ExactString(200), index=True),
    Column("priority", BigInteger, nullable=False),
    Column("queue", String(100), nullable=False),
    Column("state", String(24), nullable=False),
    Column("run_at", UtcDateTime, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("max_attempts", BigInteger, nullable=False),
    Column("dedup", ExactString(200), unique=True),
    Column("owner", String(100)),
    Column("token", BigInteger, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("rung_at", UtcDateTime),
    Column("error", Text),
    Column("error_history", Json, nullable=False),
    Column("trace", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "state", "lease_until"),
    Index(None, "state", "queue", "run_at", "priority"),
    Index(None, "state", "run_at"),
    **ORDINARY,
)

Table(
    "tc_leases",
    metadata,
    Column("name", ExactString(200), primary_key=True),
    Column("holder", ExactString(100), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    **ORDINARY,
)

Table(
    "tc_orders",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("intent", String(24), nullable=False),
    Column("target_order_id", BigInteger, ForeignKey("tc_orders.id", ondelete="RESTRICT"), index=True),
    Column("parent_order_id", BigInteger, ForeignKey("tc_orders.id", ondelete="RESTRICT"), index=True),
    Column("leg", String(20)),
    Column("account", ExactString(100), nullable=False),
    Column("broker", ExactString(40), nullable=False),
    Column("strategy", ExactString(100), nullable=False),
    Column("inbox_id", BigInteger, ForeignKey("tc_inbox.id", ondelete="SET NULL"), index=True),
    Column("client_order_id", ExactString(48), nullable=False, unique=True),
    Column("symbol", ExactString(50), nullable=False),
    Column("broker_contract_id", ExactString(64)),
    Column("side", String(24)),
    Column("order_type", String(24)),
    Column("time_in_force", String(24)),
    Column("quantity", ExactDecimal),
    Column("notional", ExactDecimal),
    Column("limit_price", ExactDecimal),
    Column("stop_price", ExactDecimal),
    Column("trail", ExactDecimal),
    Column("trail_unit", String(24)),
    Column("extended_hours", Boolean, nullable=False),
    Column("through_gate", Boolean, nullable=False),
    Column("action", String(24)),
    Column("body", Json, nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("submission", String(24), nullable=False),
    Column("status", String(24)),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", String(100)),
    Column("lease_until", UtcDateTime, index=True),
    Column("send_by", UtcDateTime),
    Column("attempts", BigInteger, nullable=False),
    Column("first_sent_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("absent_looks", BigInteger, nullable=False),
    Column("next_at", UtcDateTime),
    Column("question", Json),
    Column("answer", Json),
    Column("broker_order_id", ExactString(128), index=True),
    Column("broker_status", String(60)),
    Column("filled_quantity", ExactDecimal, nullable=False),
    Column("average_price", ExactDecimal),
    Column("commission_cents", BigInteger, nullable=False),
    Column("risk_reserved_cents", BigInteger, nullable=False),
    Column("reject_code", String(100)),
    Column("reject_reason", Text),
    Column("acknowledged_at", UtcDateTime),
    Column("looked_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("is_test", Boolean, nullable=False),
    Column("trace", String(200), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("account", "broker", "broker_order_id"),
    Index(None, "account", "next_at"),
    Index(None, "account", "submission", "next_at"),
    Index(None, "account", "symbol", "submission", "id"),
    Index(None, "strategy", "status", "id"),
    Index(None, "submission", "next_at"),
    *between_zero_and("filled_quantity", "quantity"),
    *positive("quantity", "notional", "limit_price", "stop_price", "trail"),
    **ORDINARY,
)

Table(
    "tc_fills",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("order_id", BigInteger, ForeignKey("tc_orders.id", ondelete="RESTRICT"), nullable=False),
    Column("execution_id", ExactString(128), nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    Column("price", ExactDecimal, nullable=False),
    Column("commission_cents", BigInteger, nullable=False),
    Column("liquidity", String(20)),
    Column("filled_at", UtcDateTime, nullable=False),
    Column("busted_at", UtcDateTime),
    Column("realized_pnl_cents", BigInteger, nullable=False),
    Column("booked_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("order_id", "execution_id"),
    Index(None, "booked_at", "id"),
    *positive("quantity"),
    *at_least_zero("price"),
    **ORDINARY,
)

Table(
    "tc_order_events",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("order_id", BigInteger, ForeignKey("tc_orders.id", ondelete="CASCADE"), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("event", String(40), nullable=False),
    Column("from", String(24)),
    Column("to", String(24)),
    Column("epoch", BigInteger, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("order_id", "sequence"),
    **ORDINARY,
)

Table(
    "tc_reviews",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("job_id", BigInteger, ForeignKey("tc_jobs.id", ondelete="CASCADE"), index=True),
    Column("order_id", BigInteger, ForeignKey("tc_orders.id", ondelete="RESTRICT"), index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("decision", String(40), nullable=False),
    Column("note", Text, nullable=False),
    **ORDINARY,
)


def upgrade() -> None:
    """Create the tables."""
    create(metadata, but=())


def downgrade() -> None:
    """Drop them, with what is in them."""
    drop(metadata, but=())
