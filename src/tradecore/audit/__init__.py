"""The audit trail: its table and the recorder that writes into the caller's transaction."""

from .entries import ActorType, AuditEntry, Outcome
from .recorder import record

__all__ = ["ActorType", "AuditEntry", "Outcome", "record"]
