"""Send real signals through a broker that misbehaves, kill workers on the way, and count what came of it."""

from __future__ import annotations

import argparse
import signal
import sys

__all__ = ["add_arguments", "execute"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--signals", type=int, default=500, metavar="N", help="deliveries, repeats included")
    parser.add_argument("--seed", type=int, default=20261122, metavar="S", help="of everything that is drawn")
    parser.add_argument("--faults", choices=["none", "normal", "hostile"], default="normal", help="how the broker is")
    parser.add_argument("--database", metavar="URL", help="an empty database; a temporary SQLite file when left out")
    parser.add_argument("--workers", type=int, default=3, metavar="N", help="worker processes")
    parser.add_argument("--speed", type=float, default=100.0, metavar="X", help="clock seconds in a real second")


def execute(arguments: argparse.Namespace) -> int:
    """Run it; returns 0 where every promise was kept, else 1."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exit takes broker, workers and files along
    from ..demo import Settings, run_demo
    from ..demo.screen import screen_for

    settings = Settings(
        signals=arguments.signals,
        seed=arguments.seed,
        faults=arguments.faults,
        database=arguments.database,
        workers=arguments.workers,
        speed=arguments.speed,
    )
    return run_demo(settings, screen_for())
