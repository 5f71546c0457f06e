"""Column types that give back exactly what was put in, the same on SQLite, PostgreSQL and MySQL/MariaDB."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import JSON, BigInteger, DateTime, Numeric, String, Text, TypeDecorator
from sqlalchemy.dialects.mysql import DATETIME as MYSQL_DATETIME
from sqlalchemy.dialects.mysql import VARCHAR as MYSQL_VARCHAR
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from ..trading.exact import canonical, decimal

__all__ = ["Cents", "EnumString", "ExactDecimal", "ExactString", "Json", "UtcDateTime", "Words"]

E = TypeVar("E", bound=StrEnum)

PRECISION, SCALE = 38, 18
_WHOLE = PRECISION - SCALE
_MYSQL_FAMILY = ("mysql", "mariadb")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, kept in UTC to the microsecond; naive datetimes are refused.

    MariaDB cuts microseconds unless told otherwise, and SQLite and MariaDB forget the zone: both are seen to here.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        if dialect.name in _MYSQL_FAMILY:
            return dialect.type_descriptor(MYSQL_DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive instants; store UTC.

        Raises:
            ValueError: for a datetime without an offset.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime must be aware: an instant without its offset is a guess")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _sortable(number: Decimal) -> str:
    """Spell a decimal so that text order is number order: 20 digits, a point, 18 digits; negatives complemented."""
    # copy_abs and format do not round to the context's 28 digits, as abs() and scaleb() would.
    scaled = int(format(number.copy_abs(), f".{SCALE}f").replace(".", ""))
    sign = "-" if number < 0 else ""
    if sign:
        scaled = 10**PRECISION - 1 - scaled
    digits = f"{scaled:0{PRECISION}d}"
    return f"{sign}{digits[:_WHOLE]}.{digits[_WHOLE:]}"


def _from_sortable(text: str) -> Decimal:
    if text.startswith("-"):
        scaled = 10**PRECISION - 1 - int(text[1:].replace(".", ""))
        digits = f"{scaled:0{PRECISION}d}"
        return Decimal(canonical(Decimal(f"-{digits[:_WHOLE]}.{digits[_WHOLE:]}")))
    return Decimal(canonical(Decimal(text)))


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal with up to 20 whole digits and 18 decimals, exact everywhere; floats are refused.

    NUMERIC(38, 18) where that is exact. SQLite's NUMERIC is a float, so there it is text of fixed width that sorts,
    compares and goes through CHECK, MIN and MAX as the number does (a negative is stored as its complement).
    **SUM and AVG are not exact on SQLite**: add up in Python.
    """

    impl = Numeric(PRECISION, SCALE)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(PRECISION + 2))
        return dialect.type_descriptor(Numeric(PRECISION, SCALE))

    def process_bind_param(self, value: Decimal | int | str | None, dialect: Dialect) -> Any:
        """Refuse what would lose a digit.

        Raises:
            ValueError: for floats, infinities, more than 20 whole digits or 18 decimals.
        """
        if value is None:
            return None
        number = decimal(value)
        return _sortable(number) if dialect.name == "sqlite" else number

    def process_literal_param(self, value: Decimal | int | str | None, dialect: Dialect) -> str:
        """Spell it inside DDL, such as a CHECK."""
        if value is None:
            return "NULL"
        number = decimal(value)
        return _sortable(number) if dialect.name == "sqlite" else canonical(number)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return the plain decimal, without trailing zeros."""
        if value is None:
            return None
        return _from_sortable(value) if isinstance(value, str) else Decimal(canonical(Decimal(value)))


class Cents(TypeDecorator[int]):
    """Money: whole cents in a BIGINT. Fractions are refused, and sums come back as int on every database.

    Without it SQLite keeps 1.5 in an integer column as it is and PostgreSQL makes 2 of it, both in silence, and the
    SUM of a BIGINT is a Decimal on PostgreSQL and MariaDB.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Refuse what is not a whole number of 64 bits.

        Raises:
            ValueError: for floats, decimals, booleans and what a BIGINT cannot hold.
        """
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("an amount is a whole number of cents: round it once, where it is made")
        if not -(2**63) <= value < 2**63:
            raise ValueError("an amount has at most 64 bits")
        return value

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """Return an int."""
        return None if value is None else int(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Let an amount be multiplied by, or compared with, what is no amount."""
        return self if isinstance(value, int) else self.impl_instance.coerce_compared_value(op, value)


# PostgreSQL's jsonb refuses both with an error, and an order's evidence must never fail to be written.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, Decimal):
        return canonical(value) if value.is_finite() else str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


class Json(TypeDecorator[Any]):
    """JSON: JSONB on PostgreSQL, text elsewhere; None is SQL NULL; decimals are kept as strings.

    What jsonb refuses is stored in the nearest form on every database alike: NUL characters and lone surrogates as
    U+FFFD, NaN and the infinities as text, and whatever JSON does not know as its ``str``.
    """

    # A type of our own, not JSON().with_variant(JSONB()): Alembic writes that one into migrations in a form that
    # fails on SQLite and MariaDB.
    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        kind: TypeEngine[Any] = JSONB(none_as_null=True) if dialect.name == "postgresql" else JSON(none_as_null=True)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Make it plain JSON."""
        return _storable(value)


class ExactString(TypeDecorator[str]):
    """A key from outside, compared byte for byte: case and trailing blanks count, on every database.

    MySQL's ordinary collations ignore case and trailing blanks, so its no-pad binary collations are named.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        """Take the greatest length, in characters."""
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        if dialect.name in _MYSQL_FAMILY:
            collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
            return dialect.type_descriptor(MYSQL_VARCHAR(self.length, charset="utf8mb4", collation=collation))
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse what some database would cut or change.

        Raises:
            ValueError: for text that is too long, or holds NUL or a lone surrogate.
        """
        if value is None or self.holds(value):
            return None if value is None else str(value)
        if len(value) > self.length:
            raise ValueError(f"a key of {len(value)} characters does not fit into {self.length}")
        raise ValueError("a key must not hold NUL or lone surrogates")

    def holds(self, text: str) -> bool:
        """Return whether ``text`` can be a key here; what cannot need not be looked for."""
        return len(text) <= self.length and _UNSTORABLE.search(text) is None


class Words(TypeDecorator[str]):
    """Text from outside that is only read, such as a broker's reason: made to fit, never refused.

    NUL and lone surrogates become U+FFFD, and what is too long is cut and ends in an ellipsis. A column that refused
    would keep the outcome of an order from being written down.
    """

    impl = Text
    cache_ok = True
    most = 16_000  # characters; MySQL's TEXT holds 65,535 bytes

    def __init__(self, length: int | None = None) -> None:
        """Take the greatest length, in characters; 16,000 when left out."""
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        # Not through type_descriptor: psycopg's dialect turns Text into VARCHAR there.
        return Text() if self.length is None else String(self.length)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Make it fit."""
        if value is None:
            return None
        text, most = _UNSTORABLE.sub("\ufffd", str(value)), self.length or self.most
        return text if len(text) <= most else f"{text[: most - 1]}…"


class EnumString(TypeDecorator[E], Generic[E]):
    """A member of a ``StrEnum``, stored by value in a VARCHAR and checked here, not in the database.

    A CHECK or a native enum would make every new member a migration, and Alembic does not see it.
    """

    impl = String
    cache_ok = True

    def __init__(self, kind: type[E], length: int = 24) -> None:
        """Take the enumeration, and the column's width.

        Raises:
            ValueError: if a member is wider than the column.
        """
        super().__init__(length)
        self.kind = kind
        self.length = length
        if any(len(member.value) > length for member in kind):
            raise ValueError(f"{kind.__name__} has a member of more than {length} characters")

    def process_bind_param(self, value: E | str | None, dialect: Dialect) -> str | None:
        """Store the value.

        Raises:
            ValueError: if it is no member.
        """
        return None if value is None else str(self.kind(value).value)

    def process_literal_param(self, value: E | str | None, dialect: Dialect) -> str:
        """Spell it inside DDL."""
        return "NULL" if value is None else str(self.kind(value).value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        """Return the member.

        Raises:
            ValueError: if the row holds a word this release does not know.
        """
        return None if value is None else self.kind(value)
