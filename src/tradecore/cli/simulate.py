"""Serve a simulated broker on loopback, on real daily prices, until it is told to stop."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..clock import ScaledClock, SystemClock
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..simulators.serve import Server

__all__ = ["add_arguments", "execute"]

CASH = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("broker", choices=["alpaca", "tradovate"], help="which broker to simulate")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; a free one when left out")
    parser.add_argument(
        "--faults",
        default="none",
        metavar="NAME",
        help="fault plan: none (default), normal, hostile, or one fault such as reply_lost",
    )
    parser.add_argument("--seed", type=int, default=0, help="of ids, partial fills and faults")
    parser.add_argument(
        "--profile",
        choices=["unique", "loose"],
        help="unique refuses a client order id that was used (default at alpaca), loose takes it again (at tradovate)",
    )
    parser.add_argument("--speed", type=float, default=1.0, help="how many times as fast as real time its clock runs")
    parser.add_argument(
        "--origin",
        metavar="TIME",
        help="with --speed: when its clock and the machine's agree, RFC 3339; now if left out",
    )
    parser.add_argument("--cash", default="1000000", help="what the account starts with, in dollars (default 1000000)")
    parser.add_argument(
        "--day",
        default="2018-01-02",
        metavar="YYYY-MM-DD",
        help="where the market stands, 1999-01-04 to 2018-12-31 (default 2018-01-02)",
    )
    parser.add_argument(
        "--day-seconds", type=float, metavar="S", help="let the market run, a session every S seconds of its clock"
    )


def _server(arguments: argparse.Namespace) -> Server:
    from ..simulators import serve

    problems = []
    if not 0 <= arguments.port <= 65_535:
        problems.append("--port must be 0 to 65535")
    if not 0 < arguments.speed < float("inf"):
        problems.append("--speed must be positive")
    if not CASH.fullmatch(arguments.cash):
        problems.append("--cash must be dollars, such as 25000 or 25000.50")
    if arguments.day_seconds is not None and not 0 < arguments.day_seconds < float("inf"):
        problems.append("--day-seconds must be positive")
    if problems:
        raise ConfigurationError.of(problems)
    try:
        origin = datetime.fromisoformat(arguments.origin) if arguments.origin else datetime.now(UTC)
        clock = SystemClock() if arguments.speed == 1 else ScaledClock(arguments.speed, origin)
        make = serve.serve_tradovate if arguments.broker == "tradovate" else serve.serve_alpaca
        return make(
            arguments.port,
            clock=clock,
            seed=arguments.seed,
            faults=arguments.faults,
            **({"profile": arguments.profile} if arguments.profile else {}),
            cash=arguments.cash,
            day=arguments.day,
            day_seconds=arguments.day_seconds,
        )
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def execute(arguments: argparse.Namespace) -> int:
    """Serve; returns 0 once told to stop."""
    from ..simulators.serve import serve_until_told

    server = _server(arguments)
    what = f"{arguments.broker}, {server.simulator.profile} ids, faults {arguments.faults}, seed {arguments.seed}"
    try:
        serve_until_told(server, lambda url: print(f"{url}  {what}; books at {url}/_sim/books", flush=True))
    except OSError as error:
        raise ConfigurationError(f"cannot listen on port {arguments.port}: {error.strerror}") from None
    return 0
