"""The audit trail: who did what, written with the deed, sealed a moment later, and verified whenever one likes."""

from typing import TYPE_CHECKING

from .._lazy import lazy
from . import flushes, statements
from .append_only import enforce, is_enforced
from .audited import Audited
from .entries import ActorType, AuditEntry, Outcome
from .exporting import export, history, verify_export
from .guarding import guard
from .handing import use_triggers
from .keys import KeySource
from .notes import Note
from .recorder import record, record_now
from .report import Fault, FaultKind, Report
from .retention import Erased, Retired, erase, retire
from .sealer import Progress, Sealer, Sealing, Sink, seal, seal_async
from .seals import AuditCheckpoint, AuditLeaf, AuditSeal
from .statements import AUDITED
from .triggers import install_triggers, remove_triggers
from .verification import verify

if TYPE_CHECKING:
    from .sinks import FileSink, HttpSink, read_notes

_LISTENERS = (flushes, statements)  # imported for what they listen to

__all__ = [
    "AUDITED",
    "ActorType",
    "AuditCheckpoint",
    "AuditEntry",
    "AuditLeaf",
    "AuditSeal",
    "Audited",
    "Erased",
    "Fault",
    "FaultKind",
    "FileSink",
    "HttpSink",
    "KeySource",
    "Note",
    "Outcome",
    "Progress",
    "Report",
    "Retired",
    "Sealer",
    "Sealing",
    "Sink",
    "enforce",
    "erase",
    "export",
    "guard",
    "history",
    "install_triggers",
    "is_enforced",
    "read_notes",
    "record",
    "record_now",
    "remove_triggers",
    "retire",
    "seal",
    "seal_async",
    "use_triggers",
    "verify",
    "verify_export",
]

# The HTTP client is loaded by who uses it.
__getattr__ = lazy(__name__, dict.fromkeys(("FileSink", "HttpSink", "read_notes"), ".sinks"), globals())
