"""What both cores are made from: the checked arguments, the agenda, and the flows of each front-door verb."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import uuid4

from ..brokers import Broker, breaker_for
from ..clock import Clock, SystemClock
from ..crypto import Keyring
from ..errors import ConfigurationError
from ..flow import Flow, Work
from ..hooks import Hooks
from ..orders.agenda import Agenda, Due, due
from ..orders.settings import JourneySettings
from ..orders.setup import Rule, StrategySetup, seed
from ..resilience import CircuitBreaker
from ..sanitize import PayloadLimits
from ..trading import Environment
from ._log import log_what_matters

__all__ = ["Plan", "Runtime", "checked", "clients_of", "not_open", "one_ring"]

C = TypeVar("C")
D = TypeVar("D")


def _owner_name() -> str:
    """Return a name for this process as a claimer of work: host, process and a random part."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid4().hex[:8]}"


def _accounts_of(brokers: Sequence[Any] | Mapping[str, Any], route: str | None, problems: list[str]) -> dict[str, Any]:
    """Return account name -> broker or client, and note in ``problems`` what is wrong with them."""
    pairs = (
        list(brokers.items())
        if isinstance(brokers, Mapping)
        else [(_account_name(broker), broker) for broker in brokers]
    )
    accounts: dict[str, Any] = {}
    for name, broker in pairs:
        if not name or (not hasattr(broker, "capabilities") and not hasattr(broker, "perform")):
            problems.append(f"{broker!r} is not a broker: give an adapter such as Alpaca(...), or a client of one")
        elif name in accounts:
            problems.append(f"two brokers are called {name!r}: give them as a mapping from account names")
        else:
            accounts[name] = broker
    if route is not None and route not in accounts:
        known = ", ".join(sorted(accounts)) or "none"
        problems.append(f"route={route!r} names no broker of this core (known: {known})")
    return accounts


def _account_name(broker: Any) -> str:
    adapter = getattr(broker, "broker", broker)
    return str(getattr(adapter, "account", "") or getattr(adapter, "name", ""))


def checked(
    connect: Callable[[], D], brokers: Sequence[Any] | Mapping[str, Any], route: str | None
) -> tuple[D, dict[str, Any]]:
    """Return the database and the accounts, or raise one error that lists everything wrong with either."""
    problems: list[str] = []
    accounts = _accounts_of(brokers, route, problems)
    try:
        db = connect()
    except ConfigurationError as error:
        problems.extend([str(detail["message"]) for detail in error.details] or [error.message])
        raise ConfigurationError.of(problems) from None
    if problems:
        raise ConfigurationError.of(problems)
    return db, accounts


def clients_of(accounts: Mapping[str, Any], kind: Callable[..., C], clock: Clock) -> dict[str, C]:
    """Return a client for each account; those of one broker and environment stand behind one breaker."""
    breakers: dict[tuple[str, Environment], CircuitBreaker] = {}
    clients: dict[str, C] = {}
    for name, broker in accounts.items():
        if hasattr(broker, "perform"):
            clients[name] = broker
            continue
        place = (broker.name, broker.environment)
        if place not in breakers:
            breakers[place] = breaker_for(broker, clock)
        clients[name] = kind(broker, clock=clock, breaker=breakers[place])
    return clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The arguments of a core that its colour does not matter for."""

    route: str | None
    tenant: str
    clock: Clock
    settings: JourneySettings
    limits: PayloadLimits
    hooks: Hooks

    @classmethod
    def of(
        cls,
        *,
        route: str | None,
        tenant: str,
        clock: Clock | None,
        settings: JourneySettings | None,
        limits: PayloadLimits | None,
        hooks: Hooks | None,
    ) -> Plan:
        """Fill in the safe defaults."""
        return cls(
            route=route,
            tenant=tenant,
            clock=clock or SystemClock(),
            settings=settings or JourneySettings(),
            limits=limits or PayloadLimits(),
            hooks=hooks or Hooks(),
        )


class Runtime(Generic[D]):
    """What a core has besides its plan: database, clients, agenda.

    Attributes:
        db: the database, of the core's colour.
        clients: account name -> client, of the core's colour.
    """

    def __init__(self, plan: Plan, db: D, clients: Mapping[str, Any]) -> None:
        """Wire the agenda."""
        log_what_matters(plan.hooks)
        self.plan = plan
        self.db = db
        self.clients = dict(clients)
        self.brokers: dict[str, Broker] = {name: client.broker for name, client in clients.items()}
        self.owner = _owner_name()
        self.agenda = Agenda(self.brokers, owner=self.owner, route=plan.route, clock=plan.clock, settings=plan.settings)

    def dedupes(self, account: str) -> bool:
        """Return whether the account's broker refuses a second order under the same id; False where it is not known."""
        broker = self.brokers.get(account)
        return broker is not None and broker.capabilities.client_id_dedupes

    def look(self, limit: int = 100) -> Flow[Due]:
        """Return what is due."""
        return (yield from Work(due, tuple(self.clients), limit))

    def seed(self, strategies: Sequence[Any] = (), rules: Sequence[Any] = ()) -> Flow[None]:
        """Make sure of the house connections, the default strategy, and what the caller names."""
        houses = tuple((name, broker.name, broker.environment) for name, broker in self.brokers.items())
        yield from Work(
            seed,
            houses,
            tuple(StrategySetup.read(strategy) for strategy in strategies),
            tuple(Rule.read(rule) for rule in rules),
        )


def one_ring(of_database: Keyring | None, given: Keyring | None) -> Keyring | None:
    """Return the ring that everything is sealed with.

    Raises:
        ConfigurationError: if the core was given another one than its Database has.
    """
    if given is not None and of_database is not given:
        raise ConfigurationError("the ring belongs to the Database that was given: Database(url, keyring=...)")
    return of_database


def not_open(name: str) -> ConfigurationError:
    """Return the error of a core that is used before it is opened."""
    return ConfigurationError(
        f"this {name} is not open: use it in a with block, call open(), or give its lifespan to your framework"
    )
