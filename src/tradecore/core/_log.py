"""What an operator should find in the log without asking for it: one line for each thing that waits or went wrong."""

from __future__ import annotations

import logging

from ..hooks import ConnectionStopped, Happening, Hooks, ReviewNeeded, SignalDied, SignalEnded, UnmappedStatus
from ..sanitize import log_value

__all__ = ["log_what_matters"]

_log = logging.getLogger("tradecore.journey")


def log_what_matters(hooks: Hooks) -> None:
    """Have the log told of signals that ended without an order, reviews, dead letters and stopped connections."""
    for kind in (SignalEnded, SignalDied, ReviewNeeded, ConnectionStopped, UnmappedStatus):
        hooks.on(kind, _tell)


def _tell(happening: Happening) -> None:
    match happening:
        case SignalEnded(signal_id=signal, reason=str(reason)):
            _log.warning("signal %r ended without an order: %s", signal, log_value(reason))
        case SignalDied(signal_id=signal, error=error):
            _log.error("signal %r is a dead letter: %s", signal, log_value(error))
        case ReviewNeeded(client_order_id=order, reason=reason):
            _log.error("order %s waits for a person: %s", order, log_value(reason))
        case ConnectionStopped(account=account, reason=reason):
            _log.error("the broker refuses the credentials of %s: %s", log_value(account), log_value(reason))
        case UnmappedStatus(broker=broker, broker_status=word):
            _log.warning("%s says %r of an order, a word no table knows", broker, word)
