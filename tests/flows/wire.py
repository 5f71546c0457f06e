"""The way to the simulated broker, with a witness; and what the adapter believes of each kind of broker."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy import select

from tradecore.brokers import Alpaca, Broker, Tradovate
from tradecore.brokers.alpaca.tables import ALPACA_CAPABILITIES
from tradecore.brokers.transport import Incoming, Outgoing
from tradecore.clock import Clock
from tradecore.models import OrderRecord
from tradecore.simulators import AlpacaSimulator, TradovateSimulator
from tradecore.trading import Submission

if TYPE_CHECKING:
    from tests.flows.world import World

__all__ = ["ACCOUNT", "CONTRACTS", "NOWHERE", "PROFILES", "Broken", "Profile", "Wire", "adapter", "simulator"]

NOWHERE = "http://127.0.0.1:9"
ACCOUNT = "desk"

# The kinds of brokers: Alpaca, which refuses a used id; an Alpaca that would not; and Tradovate, which does not either.
Profile: TypeAlias = Literal["unique", "loose", "tradovate"]
PROFILES: tuple[Profile, ...] = ("unique", "loose", "tradovate")

# The journeys' shares are contracts there: what a symbol is called is the user's.
CONTRACTS = {"AAPL": "MESH0", "MSFT": "MNQH0"}


class Broken(AssertionError):
    """A promise was broken."""


def adapter(profile: Profile, clock: Clock | None = None) -> Broker:
    """Return the protocol, believing of the broker's ids what the profile does; a new process has a new one."""
    if profile == "tradovate":
        return Tradovate(
            name="acme",
            password="password",
            cid=1,
            secret="secret",
            device_id="device",
            base_url=NOWHERE,
            account=ACCOUNT,
            contracts=CONTRACTS,
            pace="600/minute",
            clock=clock,
        )
    return Alpaca(
        key="key",
        secret="secret",
        base_url=NOWHERE,
        account=ACCOUNT,
        capabilities=replace(ALPACA_CAPABILITIES, client_id_dedupes=profile == "unique"),
    )


def simulator(profile: Profile, **options: Any) -> AlpacaSimulator | TradovateSimulator:
    """Return the broker."""
    if profile == "tradovate":
        return TradovateSimulator(archives=False, **options)
    return AlpacaSimulator(profile=profile, **options)


def sent_id(request: Outgoing) -> str | None:
    """Return the client order id under which a request commits to something; None where it does not."""
    if request.method not in ("POST", "PATCH"):
        return None
    body = json.loads(request.content or b"{}")
    return body.get("client_order_id") or body.get("clOrdId")


class Wire:
    """The way to the simulator, with a witness: what goes out must stand in the journal as ``SENDING`` already."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.inner = world.sim.transport()

    def send(self, request: Outgoing) -> Incoming:
        world = self.world
        world.requests.append((request.method, request.url.removeprefix(NOWHERE), request.content))
        if name := sent_id(request):
            self.witness(name)
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
