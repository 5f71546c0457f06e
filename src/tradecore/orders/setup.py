"""Seeding: the house connections, strategies and rules a core is started with. Idempotent, one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import ConfigurationError, InvalidInput
from ..models import BrokerConnection, RoutingRule, Strategy
from ..trading import Direction
from ..trading.exact import Exact, Frozen, Key, Quantity, Symbol
from .connections import connection_of
from .positions import has_platform, live_strategy

F = TypeVar("F", bound=Frozen)

__all__ = ["DEFAULT_STRATEGY", "Rule", "StrategySetup", "seed"]

DEFAULT_STRATEGY = "default"


class StrategySetup(Frozen):
    """A strategy to make sure of.

    Attributes:
        symbol: the strategy's own name in signals, 1 to 50 characters.
        name: for people; the symbol when left out.
        market: the instrument its signals mean when they name none.
    """

    symbol: Annotated[Key, Field(max_length=50)]
    name: Annotated[str, Field(max_length=100)] | None = None
    market: Symbol | None = None

    @classmethod
    def read(cls, given: Any) -> StrategySetup:
        """Return one from a name, a mapping, or one."""
        return _read(cls, {"symbol": given} if isinstance(given, str) else given)


class Rule(Frozen):
    """A routing rule to make sure of.

    Attributes:
        strategy: whose signals; every strategy's when left out.
        broker: the account, by the name the core knows it by.
        name: for people, and the key by which a rule is found again.
        direction: only signals of this direction.
        quantity_multiplier: how much of the signal's quantity is ordered.
        max_position_size: an entry beyond it is denied.
        max_daily_loss_cents: once lost in a UTC day, entries are denied.
        priority: lower goes first.
    """

    broker: Annotated[Key, Field(max_length=40)]
    strategy: Annotated[Key, Field(max_length=50)] | None = None
    name: Annotated[str, Field(max_length=100)] | None = None
    direction: Direction | None = None
    quantity_multiplier: Quantity = Decimal(1)
    max_position_size: Exact | None = None
    max_daily_loss_cents: int | None = None
    priority: int = 0
    enabled: bool = True

    @classmethod
    def read(cls, given: Any) -> Rule:
        """Return one from a mapping, or one."""
        return _read(cls, given)


def _read(cls: type[F], given: Any) -> F:
    if isinstance(given, cls):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{given!r} is not a {cls.__name__}: give a mapping of its fields")
    try:
        return cls(**given)
    except InvalidInput as error:
        raise ConfigurationError.of([f"{cls.__name__}: {d['field']}: {d['message']}" for d in error.details]) from None


def seed(
    session: Session,
    houses: Sequence[tuple[str, str, str]],
    strategies: Sequence[StrategySetup],
    rules: Sequence[Rule],
) -> None:
    """Make sure of everything named, and of the default strategy; without the platform's tables there is nothing to do.

    Args:
        session: the running transaction.
        houses: (account, broker, environment) of each broker given to the core.
        strategies: what to make sure of.
        rules: what to make sure of.

    Raises:
        ConfigurationError: rules without the platform's tables, or naming an unknown strategy or broker.
    """
    if not has_platform(session):
        if rules:
            raise ConfigurationError(
                "routing rules need the platform's tables: `tradecore db upgrade` without --core-only"
            )
        return
    for account, broker, environment in houses:
        if connection_of(session, account) is None:
            session.add(
                BrokerConnection(
                    broker=broker, name=account, environment=environment, status="disconnected", user_id=None
                )
            )
    for strategy in (StrategySetup(symbol=DEFAULT_STRATEGY), *strategies):
        _strategy(session, strategy)
    session.flush()
    for rule in rules:
        _rule(session, rule)


def _strategy(session: Session, wanted: StrategySetup) -> None:
    found = live_strategy(session, wanted.symbol)
    if found is None:
        session.add(
            Strategy(symbol=wanted.symbol, name=wanted.name or wanted.symbol, market=wanted.market, active=True)
        )
    else:
        found.name = wanted.name or found.name
        found.market = wanted.market or found.market


def _rule(session: Session, wanted: Rule) -> None:
    connection = connection_of(session, wanted.broker)
    strategy = live_strategy(session, wanted.strategy) if wanted.strategy is not None else None
    problems = []
    if connection is None:
        problems.append(f"the rule for {wanted.strategy or 'every strategy'} names an unknown broker {wanted.broker!r}")
    if wanted.strategy is not None and strategy is None:
        problems.append(f"a rule names an unknown strategy {wanted.strategy!r}")
    if problems or connection is None:
        raise ConfigurationError.of(problems)
    name = wanted.name or f"{wanted.strategy or 'any'} to {wanted.broker}"
    rule = session.execute(select(RoutingRule).where(RoutingRule.name == name)).scalar_one_or_none()
    if rule is None:
        rule = RoutingRule(user_id=None, name=name)
        session.add(rule)
    rule.broker_connection_id = connection.id
    rule.strategy_id = strategy.id if strategy else None
    rule.direction = wanted.direction
    rule.quantity_multiplier = wanted.quantity_multiplier
    rule.max_position_size = wanted.max_position_size
    rule.max_daily_loss_cents = wanted.max_daily_loss_cents
    rule.priority = wanted.priority
    rule.enabled = wanted.enabled
    rule.auto_execute = True
