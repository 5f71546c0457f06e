"""The async core: the same journey on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self, TypeVar

from ..audit import Sealing
from ..brokers import AsyncBrokerClient, Broker
from ..clock import Clock
from ..context import bind, current_context
from ..crypto import Keyring
from ..db import AsyncDatabase
from ..errors import TradeCoreError
from ..flow import Flow, arun
from ..health import AsyncHealth
from ..hooks import Hooks
from ..orders.agenda import Step
from ..orders.desk import AsyncDesk
from ..orders.intake import accept
from ..orders.settings import JourneySettings
from ..sanitize import PayloadLimits
from ..trading import Receipt, Signal
from ._performers import async_performer
from ._plan import Plan, Runtime, checked, clients_of, not_open, one_ring
from ._probes import probes
from ._roster import Roster
from .sealing import AsyncSealing
from .worker import AsyncWorker

__all__ = ["AsyncTradeCore"]

T = TypeVar("T")


class AsyncTradeCore:
    """The journey, wired: accepts signals, keeps them, and brings their orders to the brokers.

    Example:
        >>> core = AsyncTradeCore("sqlite:///desk.db", brokers=[Alpaca.from_env()], route="alpaca")  # doctest: +SKIP
        >>> app = FastAPI(lifespan=core.lifespan)                                                    # doctest: +SKIP

    Args:
        url: the database's address, or an :class:`~tradecore.db.AsyncDatabase` that outlives the core.
        brokers: adapters or clients; each is the house connection called by its name. A mapping names them otherwise.
        route: send every accepted signal to this account; without it only routing rules decide.
        worker: whether an ``async with`` block or :meth:`lifespan` starts the embedded worker.
        keyring: seals and opens what must be secret, such as the credentials of connections; signs page cursors.
        clock: where time comes from; the machine's when left out.
        tenant: whose signals these are; part of a repeat's key.
        settings: how patient the journey is.
        limits: how large a signal may be.
        hooks: told what happened, after it was committed.
        setup_schema: whether :meth:`open` upgrades the database's schema first; for scripts and tests.
        audit: how the audit log is sealed while the worker runs.

    Raises:
        ConfigurationError: listing everything that is wrong at once.
    """

    def __init__(
        self,
        url: str | AsyncDatabase,
        *,
        brokers: Sequence[Broker | AsyncBrokerClient] | Mapping[str, Broker | AsyncBrokerClient] = (),
        route: str | None = None,
        worker: bool = True,
        keyring: Keyring | None = None,
        clock: Clock | None = None,
        tenant: str = "",
        settings: JourneySettings | None = None,
        limits: PayloadLimits | None = None,
        hooks: Hooks | None = None,
        setup_schema: bool = False,
        audit: Sealing | None = None,
    ) -> None:
        """Check the arguments; nothing is opened yet."""
        self._plan = Plan.of(route=route, tenant=tenant, clock=clock, settings=settings, limits=limits, hooks=hooks)
        made = partial(AsyncDatabase, clock=self._plan.clock, keyring=keyring)
        self.db, accounts = checked(lambda: url if isinstance(url, AsyncDatabase) else made(url), brokers, route)
        self._owns_database = self.db is not url
        clients = clients_of(accounts, AsyncBrokerClient, self._plan.clock)
        self._runtime = Runtime(self._plan, self.db, clients)
        self.brokers: dict[str, AsyncBrokerClient] = clients
        self.clock = self._plan.clock
        self.hooks = self._plan.hooks
        self.keyring = one_ring(self.db.keyring, keyring)
        self.wants_worker = worker
        self._setup_schema = setup_schema
        self._perform = async_performer(self.db, clients, self.clock, self.hooks, lambda: self.db.platform)
        self._worker: AsyncWorker | None = None
        self._sealing: AsyncSealing | None = None
        self._audit = audit or Sealing()
        self._open = False
        self.draining = False
        self._opening: asyncio.Lock | None = None
        self.health = AsyncHealth(probes(self._runtime, lambda: self._worker), perform=self._perform, clock=self.clock)
        self.orders = AsyncDesk(self.run, self._plan.settings, self._nudge, self._runtime.dedupes)

    # -- life

    @property
    def is_open(self) -> bool:
        """Whether the core can be used."""
        return self._open

    async def open(self) -> Self:
        """Check the database, seed the house connections, make the partitions ahead. Opening twice does nothing.

        Raises:
            ConfigurationError: the database is not migrated, or cannot be reached.
        """
        self._opening = self._opening or asyncio.Lock()
        async with self._opening:
            if self._open:
                return self

            from ..models import migrations

            if self._setup_schema:
                await migrations.upgrade_async(self.db)
            await self.db.check_migrated()
            await self.db.ensure_partitions()
            await self.db.look_for_platform()
            await arun(self._runtime.seed(), self._perform)
            self._open, self.draining = True, False
        return self

    async def close(self) -> None:
        """Refuse new work, stop the worker, close brokers and pools; also what a failed opening left."""
        self.draining = True
        await self.stop_worker()
        self._open = False
        for client in self.brokers.values():
            await client.close()
        if self._owns_database:
            await self.db.close()

    async def __aenter__(self) -> Self:
        """Open, and start the worker unless ``worker=False``."""
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        if self.wants_worker:
            self.start_worker()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Open around an ASGI application's life: ``FastAPI(lifespan=core.lifespan)``."""
        async with self:
            yield

    # -- verbs

    async def run(self, flow: Flow[T]) -> T:
        """Drive a flow with this core's database and brokers.

        Raises:
            ConfigurationError: the core is not open.
        """
        if not self._open:
            raise not_open(type(self).__name__)
        return await arun(flow, self._perform)

    async def accept(self, signal: Signal | Mapping[str, Any] | bytes, *, source: str = "api") -> Receipt:
        """Keep a signal and answer with its receipt; once this returns, it will not be lost.

        Args:
            signal: a Signal, its fields, or the raw body as it came.
            source: who sent it; part of a repeat's key, 1 to 100 characters.

        Raises:
            InvalidInput: naming each wrong field; the id is not claimed.
            NotFound: the strategy is unknown; the id is not claimed.
            Conflict: the id was used before with another meaning.
        """
        kept = await self.run(
            accept(
                signal,
                source=source,
                tenant=self._plan.tenant,
                route=self._plan.route,
                settings=self._plan.settings,
                limits=self._plan.limits,
            )
        )
        if self._worker is not None and kept.job_id is not None:
            self._worker.offer(Step("route", str(kept.job_id), trace=current_context().trace))
        return kept.receipt

    async def setup(self, *, strategies: Sequence[Any] = (), rules: Sequence[Any] = ()) -> None:
        """Make sure these strategies and routing rules exist; may be called at every start.

        Args:
            strategies: names, or mappings ``{"symbol": ..., "name": ..., "market": ...}``.
            rules: mappings ``{"strategy": ..., "broker": ..., "quantity_multiplier": "1", ...}``.
        """
        await self.run(self._runtime.seed(strategies, rules))

    async def run_due(self, limit: int | None = None) -> int:
        """Run what is due now, in this task, until nothing is; return the number of steps.

        Args:
            limit: the most steps to run; None for no limit.

        Errors of tradecore are told to the hooks and the step rests; any other error is raised.
        """
        roster, count = Roster(self.clock, self.hooks), 0
        while limit is None or count < limit:
            found = await self.run(self._runtime.look())
            steps = roster.take(found.steps, len(found.steps) if limit is None else limit - count, shuffle=False)
            if not steps:
                break
            for step in steps:
                count += 1
                try:
                    with bind(trace=step.trace):
                        await self.run(self._runtime.agenda.flow(step))
                except TradeCoreError as error:
                    roster.failed(step, error)
                else:
                    roster.done(step)
        return count

    # -- the worker

    def start_worker(self, *, concurrency: int = 4, poll: float = 1.0) -> None:
        """Start the embedded worker's tasks on the running loop.

        Args:
            concurrency: how many steps run at once.
            poll: seconds after which the database is asked even if nobody rang.
        """
        if not self._open:
            raise not_open(type(self).__name__)
        if self._worker is None:
            self._worker = AsyncWorker(self._runtime, self.run, concurrency=concurrency, poll=poll)
            self._worker.start()
            if self._audit.enabled:
                self._sealing = AsyncSealing(self._audit, self.clock, self._runtime.owner, self.run)
                self._sealing.start()

    async def stop_worker(self, timeout: float = 30.0) -> None:
        """Let running steps finish, for at most ``timeout`` real seconds, seal the audit log, and stop."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop(timeout)
        sealing, self._sealing = self._sealing, None
        if sealing is not None:  # after the worker: its last steps leave events too
            await sealing.stop(timeout)

    def _nudge(self) -> None:
        if self._worker is not None:
            self._worker.wake()

    def __repr__(self) -> str:
        """Show the database, without its password, and the accounts."""
        state = "open" if self._open else "closed"
        return f"<AsyncTradeCore {self.db!r} brokers={sorted(self.brokers)} {state}>"
