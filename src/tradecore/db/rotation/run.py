"""The rotation as a flow of transactions, and its two colours; killed anywhere, it goes on where it stood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import inspect
from sqlalchemy.orm import DeclarativeBase, Session

from ...crypto import Keyring
from ...errors import ConfigurationError
from ...flow import Effect, Flow, Work, arun, run
from ..base import Root
from ..sealing.columns import SealedColumn
from . import progress
from .proving import Proof, proved
from .turning import Failure, Turned, left_over, turn
from .values import sealed_columns, spelled_key
from .verifying import Verified, look

if TYPE_CHECKING:
    from ..async_database import AsyncDatabase
    from ..database import Database

__all__ = ["AsyncRotation", "Rotation", "RotationReport"]

T = TypeVar("T")
Told = Callable[[Turned], object]

_ROUNDS = 5
"""How often a column is gone through while others still write under an older key."""

_MOST_FAILURES = 100


class RotationReport(NamedTuple):
    """What a rotation did.

    Attributes:
        turned: values sealed anew by this run.
        failures: values that do not open, at most a hundred; they are as they were.
        proof: what is under which key at the end.
    """

    turned: int
    failures: tuple[Failure, ...]
    proof: Proof


def _nobody(_batch: Turned) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True)
class _Way:
    """What a rotation goes along."""

    columns: Sequence[SealedColumn]
    ring: Keyring
    batch: int

    @classmethod
    def of(cls, db: Database | AsyncDatabase, batch: int, base: type[DeclarativeBase]) -> _Way:
        if db.keyring is None:
            raise ConfigurationError("there is no ring: Database(url, keyring=...) with the new key primary")
        if not 1 <= batch <= 10_000:
            raise ConfigurationError("a batch has 1 to 10,000 values")
        return cls(sealed_columns(base), db.keyring, batch)

    def rotated(self, told: Told) -> Flow[RotationReport]:
        count, failures = 0, list[Failure]()
        for column in (yield from Work(_installed, self.columns, True)):
            count += yield from self._column(column, told, failures)
        proof = yield from self.proof(scan=True)
        return RotationReport(count, tuple(failures[:_MOST_FAILURES]), proof)

    def _column(self, column: SealedColumn, told: Told, failures: list[Failure]) -> Flow[int]:
        key_id, count = self.ring.primary.id, 0
        after: Sequence[Any] | None = yield from Work(progress.begin, column, key_id)
        for round_ in range(_ROUNDS):
            before, found = count, list[Failure]()
            while True:
                batch = yield from Work(turn, column, self.ring, after, self.batch, round_ > 0)
                count += batch.turned
                found += batch.failures
                if batch.read:
                    told(batch)
                if batch.last is None:
                    break
                after = spelled_key(batch.last)
            left = yield from Work(left_over, column, self.ring)
            if not left:
                yield from Work(progress.finish, column, key_id)
                return count
            if round_ and count == before and left <= len(found):
                break  # what is left does not open
            after = None
        failures += found
        return count

    def proof(self, scan: bool) -> Flow[Proof]:
        columns = yield from Work(_installed, self.columns, False)
        return (yield from Work(proved, columns, self.ring, scan))

    def verified(self) -> Flow[Verified]:
        count, failures = 0, list[Failure]()
        for column in (yield from Work(_installed, self.columns, False)):
            after: Sequence[Any] | None = None
            while True:
                page = yield from Work(look, column, self.ring, after, self.batch)
                count += page.opened
                failures += page.failures
                if page.last is None:
                    break
                after = spelled_key(page.last)
        return Verified(count, len(failures), tuple(failures[:_MOST_FAILURES]))


def _installed(session: Session, columns: Sequence[SealedColumn], keeps: bool) -> tuple[SealedColumn, ...]:
    """Return the columns whose tables this database has."""
    there = set(inspect(session.connection()).get_table_names())
    if keeps and progress.KeyRotation.__tablename__ not in there:
        raise ConfigurationError("a rotation keeps its place in the core's tables: run `tradecore db upgrade` first")
    return tuple(column for column in columns if column.table.name in there)


class Rotation:
    """Brings every sealed value of a database under the primary key of its ring.

    Values are changed in batches, each a transaction together with its progress, and only where nobody changed them
    meanwhile; writers go on. A run that was killed is gone on with by the next one. The older keys must stay on the
    ring, retired, until the proof holds.

    Example:
        >>> report = Rotation(db).run()                                                # doctest: +SKIP
        >>> report.proof.holds                                                         # doctest: +SKIP
        True
    """

    def __init__(self, db: Database, *, batch: int = 500, base: type[DeclarativeBase] = Root) -> None:
        """Describe the rotation; nothing is read yet.

        Args:
            db: the database, with the ring whose primary key everything is to be under.
            batch: values in one transaction.
            base: the declarative base of the models; a host's own, where that is not tradecore's.

        Raises:
            ConfigurationError: there is no ring, or a model cannot be gone through.
        """
        self.db = db
        self._way = _Way.of(db, batch, base)

    def run(self, told: Told = _nobody) -> RotationReport:
        """Rotate, and prove it.

        Args:
            told: called after each batch that found something, once it is committed.
        """
        return self._drive(self._way.rotated(told))

    def proof(self, *, scan: bool = False) -> Proof:
        """Return what is under which key; with ``scan``, look for tokens in columns that no model declares too."""
        return self._drive(self._way.proof(scan))

    def verify(self) -> Verified:
        """Open every value, and return which do not open."""
        return self._drive(self._way.verified())

    def _drive(self, flow: Flow[T]) -> T:
        def perform(effect: Effect[Any], /) -> Any:
            assert isinstance(effect, Work)
            return self.db.run(effect)

        return run(flow, perform)


class AsyncRotation:
    """:class:`Rotation` for an event loop."""

    def __init__(self, db: AsyncDatabase, *, batch: int = 500, base: type[DeclarativeBase] = Root) -> None:
        """Describe the rotation; see :class:`Rotation`."""
        self.db = db
        self._way = _Way.of(db, batch, base)

    async def run(self, told: Told = _nobody) -> RotationReport:
        """Rotate, and prove it; see :meth:`Rotation.run`."""
        return await self._drive(self._way.rotated(told))

    async def proof(self, *, scan: bool = False) -> Proof:
        """Return what is under which key; see :meth:`Rotation.proof`."""
        return await self._drive(self._way.proof(scan))

    async def verify(self) -> Verified:
        """Open every value; see :meth:`Rotation.verify`."""
        return await self._drive(self._way.verified())

    async def _drive(self, flow: Flow[T]) -> T:
        async def perform(effect: Effect[Any], /) -> Any:
            assert isinstance(effect, Work)
            return await self.db.run(effect)

        return await arun(flow, perform)
