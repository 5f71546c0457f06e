"""From the recorded intent to the broker's answer: claim, prepare, admit, commit ``SENDING``, call, commit the outcome.

What makes two sends impossible: the claim raises the epoch; one transaction moves ``CLAIMED`` to ``SENDING`` and
names epoch and a lease with more than ``send_max`` left; the transport refuses to write after ``not_after``; and every
``NotSent`` or refusal counts only for the epoch that made it. What is left, the process that dies between the commit
and the answer, leaves ``SENDING`` behind, and its lease makes that ``UNKNOWN``, never ``RECORDED``.
"""

from __future__ import annotations

from functools import partial

from ..brokers import Broker
from ..brokers.outcomes import prepared
from ..clock import Clock
from ..errors import BrokerError, CapabilityMissing, CommitUnknown, NotSent, OrderDenied, OrderRejected, ReplyUnreadable
from ..flow import Admit, Flow, Permit, Work
from ..trading import Environment, Intent, Order
from ._unwritable import unless_unwritable
from .claims import Claim, begin_send, claim_order, sweep
from .outcomes import acknowledged, deny, doubt, not_sent, put_back, refused
from .settings import JourneySettings

__all__ = ["submit", "sweep_order"]


def submit(order_id: int, broker: Broker, owner: str, clock: Clock, settings: JourneySettings) -> Flow[bool]:
    """Bring one recorded intent to the broker, once; return whether the broker has it."""
    claim = yield from Work(claim_order, order_id, owner, settings)
    if claim is None:
        return False
    denial = _denial(claim, broker)
    if denial is not None:
        yield from Work(deny, claim, denial)
        return False
    try:
        # Before SENDING is committed: after it a call of kind `order` never waits, and who dies then leaves a doubt.
        yield from prepared(broker, claim.request() if claim.intent is Intent.ORDER else None)
        permit = yield from Admit("order")
    except OrderDenied as no:
        yield from Work(deny, claim, no)
        return False
    except NotSent as refusal:
        yield from Work(put_back, claim, refusal, settings)
        return False
    not_after = clock.monotonic() + settings.send_max
    sending = False
    try:
        sending = yield from Work(begin_send, claim, settings)
    except CommitUnknown:
        pass  # SENDING may stand: then its lease makes it unknown. What is certain: nothing was sent.
    finally:
        if not sending:  # a cancellation too: a breaker's only probe must not be lost with it
            permit.give_back()
    if not sending:
        return False
    return (yield from _call(claim, broker, permit, not_after, settings))


def _denial(claim: Claim, broker: Broker) -> OrderDenied | None:
    if claim.intent is Intent.CANCEL:
        return None
    if claim.intent is Intent.REPLACE:
        if broker.capabilities.replace:
            return None
        words = f"{broker.name} does not change orders; cancel this one and send another"
        return CapabilityMissing(words, broker=broker.name, client_order_id=claim.client_order_id)
    if claim.is_test and broker.environment is Environment.LIVE:
        return OrderDenied(
            "the order comes from a test signal, and this account trades real money",
            broker=broker.name,
            client_order_id=claim.client_order_id,
        )
    objection = broker.objection(claim.request())
    if objection is None:
        return None
    return CapabilityMissing(objection, broker=broker.name, client_order_id=claim.client_order_id)


def _call(claim: Claim, broker: Broker, permit: Permit, not_after: float, settings: JourneySettings) -> Flow[bool]:
    try:
        order = yield from _asked(claim, broker, permit, not_after)
    except NotSent as error:
        yield from Work(not_sent, claim, error, settings)
    except OrderRejected as error:
        yield from Work(refused, claim, error)
    except BrokerError as error:  # the reply was lost, unreadable, a duplicate, or of an unknown kind
        yield from Work(doubt, claim, error)
    else:
        return (yield from unless_unwritable(_keep(claim, order), partial(_unreadable, claim)))
    return False


def _asked(claim: Claim, broker: Broker, permit: Permit, not_after: float) -> Flow[Order | None]:
    target = str(claim.target_broker_order_id)
    try:
        if claim.intent is Intent.CANCEL:
            yield from broker.cancel(target, permit=permit, not_after=not_after)
            return None
        if claim.intent is Intent.REPLACE:
            return (yield from broker.replace(target, claim.change(), permit=permit, not_after=not_after))
        return (yield from broker.submit(claim.request(), permit=permit, not_after=not_after))
    finally:
        permit.give_back()  # an adapter that found it was not ready made no call, and the account's send lock is in it


def _keep(claim: Claim, order: Order | None) -> Flow[bool]:
    yield from Work(acknowledged, claim, order)
    return True


def _unreadable(claim: Claim, error: Exception) -> Work[bool]:
    words = f"{claim.broker} took the order, but its answer cannot be written down ({type(error).__name__})"
    return Work(doubt, claim, ReplyUnreadable(words, broker=claim.broker, client_order_id=claim.client_order_id))


def sweep_order(order_id: int) -> Flow[None]:
    """Take up what a lost worker left of one order."""
    yield from Work(sweep, order_id)
