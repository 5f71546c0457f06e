"""The schema seen whole: which tables a part of it needs, and which ids lead nowhere on purpose."""

from __future__ import annotations

from sqlalchemy import Table

from ..audit import Audited, AuditEntry
from ..db.base import Root

__all__ = ["NO_FOREIGN_KEY", "tables_for"]

_OUTSIDE = "another system's id: there is no table of ours it could lead to"
_BROKER = "the broker's id of the thing"

NO_FOREIGN_KEY: dict[str, str] = {
    "billing_subscriptions.stripe_customer_id": _OUTSIDE,
    "billing_subscriptions.stripe_subscription_id": _OUTSIDE,
    "broker_connections.account_id": _BROKER,
    "broker_instruments.broker_contract_id": _BROKER,
    "payments.stripe_invoice_id": _OUTSIDE,
    "payments.stripe_payment_intent_id": _OUTSIDE,
    "reconciliation_items.broker_order_id": _BROKER,
    "reconciliations.run_id": "the run's own name, unique here",
    "signal_batches.batch_id": "the batch's own name, unique here",
    "subscription_tiers.stripe_monthly_price_id": _OUTSIDE,
    "subscription_tiers.stripe_product_id": _OUTSIDE,
    "subscription_tiers.stripe_yearly_price_id": _OUTSIDE,
    "tc_audit_leaves.entry_id": "the log is partitioned, and a seal outlives the events that retention removed",
    "tc_audit_log.actor_id": "whoever acted, in the host's words; the trail outlives them",
    "tc_audit_log.request_id": "the id of a request, which is no row",
    "tc_audit_log.resource_id": "of any table or none; the trail outlives the row",
    "tc_fills.execution_id": _BROKER,
    "tc_inbox.request_id": "the id of a request, which is no row",
    "tc_inbox.signal_id": "the sender's id, unique here with tenant and source",
    "tc_key_rotations.key_id": "the fingerprint of a key, which is kept elsewhere",
    "tc_orders.broker_contract_id": _BROKER,
    "tc_orders.broker_order_id": _BROKER,
    "tc_orders.client_order_id": "the order's own name at the broker, unique here",
    "users.external_id": "the host's or the sign-in provider's id of the user",
    "users.stripe_customer_id": _OUTSIDE,
    "users.stripe_subscription_id": _OUTSIDE,
    "webhook_logs.correlation_id": "the sender's word for what belongs together",
    "webhook_logs.inbox_id": "the core's row; the record of an arrival outlives a core that is taken away",
    "webhook_logs.request_id": "the id of a request, which is no row",
    "webhook_logs.signal_id": "the sender's id; uniqueness lives in tc_inbox",
}
"""Every column called ``*_id`` that is no foreign key (``table.column``), and why not."""


def tables_for(*models: type[Root]) -> list[Table]:
    """Return the tables of ``models`` and every table their foreign keys need, in the order they are created in.

    For who takes a part of the schema: ``Base.metadata.create_all(engine, tables=tables_for(Trade))``. Where changes of
    one of them are audited, the log is among them.
    """
    audited = {mapper.local_table for mapper in Root.registry.mappers if issubclass(mapper.class_, Audited)}
    wanted: set[Table] = set()
    waiting = [Root.metadata.tables[model.__tablename__] for model in models]
    while waiting:
        table = waiting.pop()
        if table not in wanted:
            wanted.add(table)
            waiting += [key.column.table for key in table.foreign_keys]
            if table in audited:
                waiting.append(Root.metadata.tables[AuditEntry.__tablename__])
    return [table for table in Root.metadata.sorted_tables if table in wanted]
