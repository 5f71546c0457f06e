"""One worker process of the demo: a real core on the shared database, doing what is due until it is killed or told."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from ..brokers import Alpaca, BrokerClient
from ..brokers.transport import HttpTransport
from ..clock import ScaledClock
from ..core import TradeCore
from ..orders import JourneySettings

__all__ = ["LIMIT_A_MINUTE", "ROUTE", "Station", "work"]

ROUTE = "alpaca"
LIMIT_A_MINUTE = 200  # Alpaca's, for the whole account
LOOK_EVERY = 0.05  # real seconds between looks at a database nobody rang for


@dataclass(frozen=True, slots=True)
class Station:
    """What every process of one demo must agree on.

    Attributes:
        database: the database's URL.
        broker: the simulator's base URL.
        speed: how many seconds of the demo's clock pass in a real one.
        origin: the real instant, ISO 8601, at which both clocks showed the same.
        workers: how many share the account's pace.
    """

    database: str
    broker: str
    speed: float
    origin: str
    workers: int

    @property
    def pace(self) -> str:
        """This worker's share of the account's rate limit."""
        return f"{max(1, LIMIT_A_MINUTE // self.workers)}/minute"

    def clock(self) -> ScaledClock:
        """Return the demo's clock."""
        return ScaledClock(self.speed, datetime.fromisoformat(self.origin))

    def core(self) -> TradeCore:
        """Return a core of this demo, not open yet; patient with sending and with exits, otherwise as anybody's."""
        clock = self.clock()
        # Nothing here speaks TLS; an empty trust store saves every new worker 60 ms of reading certificates.
        transport = HttpTransport(proxies=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        alpaca = Alpaca("DEMO-KEY", "demo-secret", base_url=self.broker, pace=self.pace)
        return TradeCore(
            self.database,
            brokers=[BrokerClient(alpaca, clock=clock, transport=transport)],
            route=ROUTE,
            worker=False,
            clock=clock,
            # Days pass in moments here: an exit comes seconds after its entry, not weeks, and waits for it.
            settings=JourneySettings(send_by=3_600.0, exit_patience=1_800.0),
        )


def work(station: Station, told: Connection, log: str) -> None:
    """Work until ``told`` anything, or until the process that started this one is gone.

    Args:
        station: what to work on.
        told: becomes readable when it is time to stop; is sent one word when the worker has begun.
        log: a file that collects the error output.
    """
    error_output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(error_output, 2)
    os.close(error_output)
    starter = parent_process()
    with station.core() as core:
        core.start_worker(concurrency=1, poll=LOOK_EVERY * station.speed)
        told.send("begun")
        wait([told, *([starter.sentinel] if starter else ())])
