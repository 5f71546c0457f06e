"""The journey: intake, routing, intents, submission, resolution, executions; the desk beside it.

Reading order: ``intake``, ``routing``, ``intents``, ``submission`` (with ``claims`` before the send and ``outcomes``
after it), ``resolution``, ``executions``. ``_journal`` is the one file that moves an order;
``agenda`` says what is due.
"""

from .agenda import Agenda, Step
from .dead_letters import DeadLetter
from .desk import AsyncDesk, Decision, Desk, LedgerLine, OrderView
from .settings import JourneySettings

__all__ = [
    "Agenda",
    "AsyncDesk",
    "DeadLetter",
    "Decision",
    "Desk",
    "JourneySettings",
    "LedgerLine",
    "OrderView",
    "Step",
]
