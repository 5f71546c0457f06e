"""Run a worker of its own: it brings what the services accepted to the brokers. Stops cleanly on SIGTERM and Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import signal
import threading

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import ConfigurationError
from ..models import RoutingRule
from ._arguments import add_core_arguments, core_named

__all__ = ["add_arguments", "execute"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_core_arguments(parser)
    parser.add_argument("--route", metavar="NAME", help="send every signal to this account; else routing rules decide")
    parser.add_argument("--concurrency", type=int, default=4, metavar="N", help="steps at once (default 4)")
    parser.add_argument("--poll", type=float, default=1.0, metavar="S", help="seconds between looks (default 1)")


def execute(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("alembic", "tradecore.db.pools"):  # one announces its plugins, the other every pool it closes
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if not arguments.broker:
        raise ConfigurationError("a worker without a broker has nothing to do: give --broker NAME, such as alpaca")
    core = core_named(arguments, arguments.route)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with core:
        if arguments.route is None and not (core.db.platform and core.db.run(_has_rules)):
            raise ConfigurationError(
                "every signal would end as NO_RULE: give --route NAME as the service does, or make a routing rule first"
            )
        core.start_worker(concurrency=arguments.concurrency, poll=arguments.poll)
        print(f"worker ready: {core!r}", flush=True)
        stop.wait()
        print("stopping: running steps finish", flush=True)
    return 0


def _has_rules(session: Session) -> bool:
    rules = select(RoutingRule.id).where(RoutingRule.enabled.is_(True), RoutingRule.auto_execute.is_(True))
    return session.scalars(rules.limit(1)).first() is not None
