"""The way to the simulated broker, with a witness; and what the adapter believes of each kind of broker."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from tradecore.brokers import Alpaca
from tradecore.brokers.alpaca.tables import ALPACA_CAPABILITIES
from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.models import OrderRecord
from tradecore.trading import Submission

if TYPE_CHECKING:
    from tests.flows.world import World

__all__ = ["NOWHERE", "Broken", "Wire", "adapter"]

NOWHERE = "http://127.0.0.1:9"


class Broken(AssertionError):
    """A promise was broken."""


@functools.cache
def adapter(profile: str) -> Alpaca:
    """Return the protocol, believing of the broker's ids what the profile does."""
    return Alpaca(
        key="key",
        secret="secret",
        base_url=NOWHERE,
        capabilities=replace(ALPACA_CAPABILITIES, client_id_dedupes=profile == "unique"),
    )


class Wire:
    """The way to the simulator, with a witness: what goes out must stand in the journal as ``SENDING`` already."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.inner = world.sim.transport()

    def send(self, request: Outgoing) -> Incoming:
        world = self.world
        world.requests.append((request.method, request.url.removeprefix(NOWHERE), request.content))
        if request.method in ("POST", "PATCH"):
            self.witness(json.loads(request.content or b"{}")["client_order_id"])
        return self.inner.send(request)

    def witness(self, client_order_id: str) -> None:
        """Note a send that a crash right now would leave no trace of."""
        with self.world.db.transaction() as session:
            row = session.execute(
                select(OrderRecord.submission, OrderRecord.lease_until).where(
                    OrderRecord.client_order_id == client_order_id
                )
            ).one()
        at = self.world.clock.now()
        if row.submission is not Submission.SENDING or row.lease_until <= at:
            # Not raised here: to the core, whatever happens on the way is a doubt.
            self.world.violations.append(f"{client_order_id} goes out while the journal says {row.submission}")

    def close(self) -> None:
        """Nothing to close."""
