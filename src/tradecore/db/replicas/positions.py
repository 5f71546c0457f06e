"""How far a server has come: PostgreSQL's LSN or MariaDB's GTIDs, as a string that may travel in a header or cookie.

Who forges one makes only its own reads slower: a replica that cannot have come so far is waited for a little, and then
the primary answers.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ...errors import InvalidInput
from ..reading import VOUCHED

__all__ = ["Position", "parse_token", "position_of", "reached"]

_LONGEST = 512
_MOST_DOMAINS = 32
_POSTGRESQL = re.compile(r"p1\.[0-9a-f]{16}", re.ASCII)
_MARIADB = re.compile(r"m1\.[0-9]{1,10}-[0-9]{1,10}-[0-9]{1,20}(_[0-9]{1,10}-[0-9]{1,10}-[0-9]{1,20})*", re.ASCII)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.05


@dataclass(frozen=True, slots=True)
class Position:
    """How far: one number on PostgreSQL (domain 0), one a replication domain on MariaDB.

    Attributes:
        family: ``postgresql`` or ``mysql``.
        reached: domain -> (server, sequence number).
    """

    family: str
    reached: dict[int, tuple[int, int]]

    @property
    def token(self) -> str:
        """The string that may travel: letters, digits, dots, dashes and underscores."""
        if self.family == "postgresql":
            return f"p1.{self.reached[0][1]:016x}"
        return "m1." + "_".join(f"{domain}-{server}-{seq}" for domain, (server, seq) in sorted(self.reached.items()))

    @property
    def spoken(self) -> str:
        """As the server writes it."""
        if self.family == "postgresql":
            lsn = self.reached[0][1]
            return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
        return self.token.removeprefix("m1.").replace("_", ",")

    def covers(self, other: Position) -> bool:
        """Whether who has come so far has come as far as ``other``."""
        return all(self.reached.get(domain, (0, -1))[1] >= seq for domain, (_, seq) in other.reached.items())

    def joined(self, other: Position | None) -> Position:
        """Return the position that covers both."""
        if other is None or other.family != self.family:
            return self
        both = dict(self.reached)
        for domain, (server, seq) in other.reached.items():
            if seq > both.get(domain, (0, -1))[1]:
                both[domain] = (server, seq)
        return Position(self.family, both)


def parse_token(text: object, family: str) -> Position | None:
    """Read what :attr:`Position.token` wrote; "" and None ask for nothing.

    Raises:
        InvalidInput: for anything else, or a token of another kind of database.
    """
    if text is None or text == "":
        return None
    if isinstance(text, str) and len(text) <= _LONGEST:
        if family == "postgresql" and _POSTGRESQL.fullmatch(text):
            return Position(family, {0: (0, int(text[3:], 16))})
        if family == "mysql" and _MARIADB.fullmatch(text):
            found = _domains(text[3:], "_")
            if found is not None:
                return Position(family, found)
    raise InvalidInput.of("token", "INVALID_TOKEN", "this is no consistency token of this database")


def _domains(text: str, separator: str) -> dict[int, tuple[int, int]] | None:
    found: dict[int, tuple[int, int]] = {}
    for gtid in text.split(separator):
        domain, server, seq = (int(number) for number in gtid.split("-"))
        if domain >= 2**32 or server >= 2**32 or seq >= 2**64 or domain in found:
            return None
        found[domain] = (server, seq)
    return found if len(found) <= _MOST_DOMAINS else None


def position_of(connection: Connection) -> Position | None:
    """Ask the primary how far it is; None where it does not count (SQLite, or a MariaDB without a binary log)."""
    if connection.dialect.name == "postgresql":
        lsn = _ask(connection, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return Position("postgresql", {0: (0, int(lsn))})
    if connection.dialect.name == "mysql" and getattr(connection.dialect, "is_mariadb", False):
        found = _domains(spoken, ",") if (spoken := _ask(connection, "SELECT @@gtid_binlog_pos")) else None
        return Position("mysql", found) if found else None
    return None


def reached(connection: Connection, wanted: Position, patience: float) -> bool:
    """Whether the replica has come as far as ``wanted``, waited for at most ``patience`` seconds.

    It is the server that waits, so that this is the same code for threads and tasks. Between two looks the
    transaction ends: a snapshot held open on a standby can itself keep it from going on.
    """
    if connection.dialect.name == "mysql":
        return bool(_ask(connection, f"SELECT MASTER_GTID_WAIT('{wanted.spoken}', {patience:.3f})") == 0)
    give_up, pause = time.monotonic() + patience, _FIRST_PAUSE
    while not _ask(connection, f"SELECT pg_last_wal_replay_lsn() >= '{wanted.spoken}'::pg_lsn"):
        left = give_up - time.monotonic()
        if left <= 0:
            return False
        _ask(connection, f"SELECT pg_sleep({min(pause, left):.4f})")
        pause = min(_LONGEST_PAUSE, pause * 1.5)
    return True


def _ask(connection: Connection, statement: str) -> Any:
    found = connection.exec_driver_sql(statement, execution_options=VOUCHED).scalar()
    connection.rollback()
    return found
