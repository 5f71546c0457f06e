"""What a database error means for the unit of work: try again, wait, give up, or look what became of the commit."""

from __future__ import annotations

import random
import sqlite3
from enum import StrEnum

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from ..errors import (
    CommitUnknown,
    ConfigurationError,
    DeadlineExceeded,
    LockTimeout,
    ReadOnly,
    SerializationConflict,
    StaleVersion,
    TradeCoreError,
    UniqueViolation,
)
from ..redact import redact_text
from ..resilience import fits

__all__ = ["Trouble", "code_of", "commit_failure", "pause_or_raise", "spoken", "trouble_of", "unreachable"]


class Trouble(StrEnum):
    """What went wrong, by what helps."""

    CONFLICT = "conflict"  # the unit lost against another one: run it again
    LOCKED = "locked"  # a lock was not had in time: run it again
    LOST = "lost"  # the connection died before COMMIT was sent: run it again
    SLOW = "slow"  # the statement took longer than it may: it would again
    READS = "reads"  # what was to be written cannot be: the transaction, or the server, only reads
    UNIQUE = "unique"  # the key is taken: running it again changes nothing
    OTHER = "other"


_POSTGRESQL = {
    "40001": Trouble.CONFLICT,
    "40P01": Trouble.CONFLICT,
    "55P03": Trouble.LOCKED,
    "23505": Trouble.UNIQUE,
    "57014": Trouble.SLOW,
    "25006": Trouble.READS,
}
# 1020 is what MariaDB says, with innodb_snapshot_isolation, where MySQL would lose an update.
_MYSQL = {
    1213: Trouble.CONFLICT,
    1020: Trouble.CONFLICT,
    1205: Trouble.LOCKED,
    1062: Trouble.UNIQUE,
    1053: Trouble.LOST,
    1927: Trouble.LOST,
    1969: Trouble.SLOW,  # MariaDB
    3024: Trouble.SLOW,  # MySQL
    1792: Trouble.READS,
}
_SQLITE = {
    sqlite3.SQLITE_INTERRUPT: Trouble.SLOW,
    sqlite3.SQLITE_READONLY: Trouble.READS,
    sqlite3.SQLITE_BUSY_SNAPSHOT: Trouble.CONFLICT,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: Trouble.UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: Trouble.UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_ROWID: Trouble.UNIQUE,
}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.5


def code_of(error: StatementError) -> int | str | None:
    """Return what the database calls its error: SQLite's and MySQL's number, PostgreSQL's SQLSTATE; None for none.

    A number goes first: drivers of MySQL carry a SQLSTATE as well (PyMySQL since 1.2, asyncmy since 0.2.18), and one
    SQLSTATE stands for many errors there.
    """
    orig = error.orig
    first = orig.args[0] if orig is not None and orig.args else None
    number = getattr(orig, "sqlite_errorcode", first if isinstance(first, int) else None)
    code: int | str | None = number if number is not None else getattr(orig, "sqlstate", None)
    return code


def trouble_of(error: BaseException) -> Trouble:
    """Say what ``error`` means; the vendor's number decides, since drivers disagree about classes."""
    if isinstance(error, SerializationConflict):
        return Trouble.CONFLICT
    if not isinstance(error, DBAPIError):
        return Trouble.OTHER
    orig, code = error.orig, code_of(error)
    if isinstance(code, int) and hasattr(orig, "sqlite_errorcode"):
        busy = code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return _SQLITE.get(code, Trouble.LOCKED if busy else Trouble.OTHER)
    if isinstance(code, str) and code in _POSTGRESQL:
        return _POSTGRESQL[code]
    if isinstance(code, int) and code in _MYSQL:
        return _MYSQL[code]
    if code == 1290 and "read-only" in str(orig):  # a replica, or a primary that is one no more
        return Trouble.READS
    if code == 1305 and "SAVEPOINT" in str(orig):
        # A deadlock rolled the transaction back with its savepoints, and undoing to one of them hid its 1213.
        return Trouble.CONFLICT
    return Trouble.LOST if error.connection_invalidated else Trouble.OTHER


def _was_aborted(error: DBAPIError) -> bool:
    """Whether the server itself said that the COMMIT failed, so that nothing was committed."""
    if error.connection_invalidated:
        return False
    code = code_of(error)
    if isinstance(code, str):
        # 08 connection, 57P shutdown, 40003 "statement completion unknown"
        return not (code.startswith(("08", "57P")) or code == "40003")
    if code is None or hasattr(error.orig, "sqlite_errorcode"):
        return code is not None and code & 0xFF != sqlite3.SQLITE_IOERR
    return not 2000 <= code < 3000 and code not in (1053, 1927)


def commit_failure(error: DBAPIError) -> Exception:
    """Return what a failure of COMMIT itself is to be raised as."""
    if _was_aborted(error):
        return error
    return CommitUnknown("the connection was lost during COMMIT: look whether it was done before doing it again")


def spoken(error: Exception) -> Exception:
    """Return ``error`` in tradecore's words where it has some, else as it is."""
    if isinstance(error, TradeCoreError):
        return error
    if isinstance(error, StatementError) and isinstance(error.orig, TradeCoreError):
        error.params = None  # one of ours refused a value, which may have been a secret on its way to a sealed column
        return error
    if isinstance(error, StaleDataError):
        return StaleVersion()
    if isinstance(error, PoolTimeout):
        return _nothing_free(error)
    trouble = trouble_of(error)
    if trouble is Trouble.CONFLICT:
        return SerializationConflict()
    if trouble is Trouble.LOCKED:
        return LockTimeout()
    if trouble is Trouble.SLOW:
        return DeadlineExceeded("the database broke the statement off: it took too long")
    if trouble is Trouble.READS:
        return ReadOnly()
    if trouble is Trouble.UNIQUE:
        name = _constraint(error)
        return UniqueViolation(details=[{"code": "UNIQUE", "constraint": name}] if name else ())
    return error


def _nothing_free(error: PoolTimeout) -> LockTimeout:
    said = LockTimeout("no database connection became free in time")
    # Notes show in a traceback, and not in an answer to a client.
    for holder in getattr(error, "holders", ()):
        said.add_note(f"one is held {holder}")
    return said


def unreachable(error: Exception) -> ConfigurationError:
    """Return the error for a database that could not be asked at start, in its own words without its secrets."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    return ConfigurationError(
        f"the database cannot be reached: {redact_text(said[0] if said else type(error).__name__)}"
    )


def _constraint(error: Exception) -> str | None:
    """The violated constraint as the database names it; never the values, which MySQL puts beside it."""
    orig = getattr(error, "orig", None)
    diagnostics = getattr(orig, "diag", None)
    if diagnostics is not None:
        name: str | None = diagnostics.constraint_name
        return name
    message = str(orig.args[-1]) if orig is not None and orig.args else ""
    if "UNIQUE constraint failed: " in message:
        return message.split("UNIQUE constraint failed: ", 1)[1]
    return message.rsplit(" for key ", 1)[1].strip("'").split(".")[-1] if " for key " in message else None


def pause_or_raise(error: Exception, attempt: int, tries: int, spent: float, patience: float) -> float:
    """Return the seconds to wait before the unit is run again, or raise what it ends with.

    Args:
        error: what the unit raised.
        attempt: which try it was, from 1.
        tries: how many there may be.
        spent: seconds gone by since the first try began.
        patience: seconds after which a lock that is not had is given up: each try may wait long for it.
    """
    trouble = trouble_of(error)
    retried = trouble in (Trouble.CONFLICT, Trouble.LOST) or (trouble is Trouble.LOCKED and spent < patience)
    # Full jitter: contenders that lost together must not come back together.
    pause = random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))
    if not retried or attempt >= tries or not fits(pause):
        said = spoken(error)
        if said is error:
            raise error
        raise said from error
    return pause
