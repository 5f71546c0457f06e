"""Simulators behind a socket: ``with serve_alpaca() as server``, or until the process is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from .alpaca import AlpacaSimulator
from .sockets import Server
from .tradovate import TradovateSimulator

__all__ = ["Server", "serve_alpaca", "serve_tradovate", "serve_until_told"]


def serve_alpaca(port: int = 0, *, refuse_for: float = 0.1, **options: Any) -> Server:
    """Return a server of a new :class:`~tradecore.simulators.AlpacaSimulator`; it listens once it is started.

    Args:
        port: 0 takes a free one.
        refuse_for: real seconds the listener stays closed after the fault "refused connection".
        **options: the simulator's.
    """
    return Server(AlpacaSimulator(**options), port=port, refuse_for=refuse_for)


def serve_tradovate(port: int = 0, *, refuse_for: float = 0.1, **options: Any) -> Server:
    """Return a server of a new :class:`~tradecore.simulators.TradovateSimulator`; it listens once it is started.

    Args:
        port: 0 takes a free one.
        refuse_for: real seconds the listener stays closed after the fault "refused connection".
        **options: the simulator's.
    """
    return Server(TradovateSimulator(**options), port=port, refuse_for=refuse_for)


def serve_until_told(server: Server, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; call it in the main thread.

    Args:
        server: not started yet.
        announce: is told the URL once it listens.

    Raises:
        OSError: when the port is taken.
    """
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with server:
            announce(server.url)
            told.wait()
    finally:
        for number, action in before.items():
            signal.signal(number, action)
