"""How each database spells a value as JSON, compares two, and cuts what is too long: for what it records by itself.

The same words serve bulk statements (``INSERT .. SELECT``) and triggers. They say what :mod:`.values` says in Python,
but for what SQL cannot: a secret leaves no fingerprint, a negative decimal on SQLite stands as it is stored, and there
a value that was cut has its length and no hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Date, Integer, LargeBinary
from sqlalchemy.types import TypeDecorator

from ..db.types import ExactDecimal, Json, UtcDateTime
from .audited import Plan
from .values import MOST

__all__ = ["DIALECTS", "Dialect", "dialect_words"]


class Dialect:
    """PostgreSQL, which is nearest to the standard; the others say what differs."""

    name = "postgresql"
    mark = "::jsonb"

    def quoted(self, name: str) -> str:
        """Return a column's name."""
        return '"' + name.replace('"', '""') + '"'

    def text(self, words: str) -> str:
        """Return a literal."""
        return "'" + words.replace("'", "''") + "'"

    def joined(self, *parts: str) -> str:
        """Return the concatenation."""
        return " || ".join(parts)

    def differ(self, old: str, new: str) -> str:
        """Return the condition that two values differ."""
        return f"{old} IS DISTINCT FROM {new}"

    def value(self, place: str, column: Column[Any]) -> str:
        """Return a value as JSON text."""
        kind = column.type
        if isinstance(kind, Json):
            return f"coalesce({place}::text, 'null')"
        if isinstance(kind, UtcDateTime):
            place = f"""to_char({place} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
        elif isinstance(kind, ExactDecimal):
            place = f"trim_scale({place})::text"
        elif isinstance(kind, LargeBinary):
            place = f"encode(sha256({place}), 'hex')"
        return f"coalesce(to_json({place})::text, 'null')"

    def secret(self, place: str) -> str:
        """Return what stands for a secret."""
        return f"CASE WHEN {place} IS NULL THEN 'null' ELSE '{{\"redacted\":true}}' END"

    def trimmed(self, place: str) -> str:
        """Return text without the comma it begins with."""
        return f"ltrim({place}, ',')"

    def cut(self, place: str) -> str:
        """Return JSON text, or its length and hash where it is too long."""
        said = self.joined("'{\"cut\":'", f"length({place})::text", '\',"sha256":"\'', self.hash(place), "'\"}'")
        return f"CASE WHEN length({place}) > {MOST} THEN {said} ELSE {place} END{self.mark}"

    def hash(self, place: str) -> str:
        """Return the SHA-256 of text."""
        return f"encode(sha256(convert_to({place}, 'UTF8')), 'hex')"

    # -- put together ----------------------------------------------------------------------------------------------

    def side(self, plan: Plan, places: Mapping[str, str], others: Mapping[str, str] | None, names: Any) -> str:
        """Return one side of a change as the text of a JSON object.

        Args:
            plan: of the model.
            places: attribute -> where its value on this side is found.
            others: where the other side's is found: only what differs is kept; everything when left out.
            names: the attributes.
        """
        parts = []
        for name in names:
            column, place = plan.columns[name], places[name]
            spelled = self.secret(place) if name in plan.secret else self.value(place, column)
            pair = self.joined(self.text(f',"{name}":'), spelled)
            if others is not None:
                pair = f"CASE WHEN {self.differ(place, others[name])} THEN {pair} ELSE '' END"
            parts.append(f"({pair})")
        inside = self.trimmed(self.joined(*parts)) if parts else "''"
        return self.joined("'{'", inside, "'}'")

    def personal(self, old: str | None, new: str | None) -> str:
        """Return both sides' personal values as one object, NULL where there are none."""
        sides = {"new": new, "old": old}
        there = [f"{side} = '{{}}'" for side in sides.values() if side is not None]
        parts = [self.text("{")]
        for number, (name, side) in enumerate(sides.items()):
            parts += [self.text(f'{"," if number else ""}"{name}":'), side or "'null'"]
        return f"CASE WHEN {' AND '.join(there)} THEN NULL ELSE {self.joined(*parts, self.text('}'))} END{self.mark}"


class _Sqlite(Dialect):
    name = "sqlite"
    mark = ""

    def differ(self, old: str, new: str) -> str:
        return f"{old} IS NOT {new}"

    def value(self, place: str, column: Column[Any]) -> str:
        kind = column.type
        if isinstance(kind, Json):
            return f"coalesce({place}, 'null')"
        if isinstance(kind, Boolean):
            return f"CASE WHEN {place} IS NULL THEN 'null' WHEN {place} THEN 'true' ELSE 'false' END"
        if isinstance(kind, LargeBinary):
            return f"CASE WHEN {place} IS NULL THEN 'null' ELSE '{{\"bytes\":' || length({place}) || '}}' END"
        if isinstance(kind, UtcDateTime):
            return f"""coalesce('"' || replace({place}, ' ', 'T') || 'Z"', 'null')"""
        if isinstance(kind, ExactDecimal):
            # Stored so that it sorts: twenty digits, a point, eighteen digits; a negative as its complement.
            digits = f"rtrim(rtrim(ltrim({place}, '0'), '0'), '.')"
            point = f"CASE WHEN ltrim({place}, '0') LIKE '.%' THEN '0' ELSE '' END"
            plain = f"CASE WHEN {place} LIKE '-%' THEN {place} ELSE ({point}) || {digits} END"
            return f"""coalesce('"' || ({plain}) || '"', 'null')"""
        return f"json_quote({place})"

    def cut(self, place: str) -> str:
        return f"CASE WHEN length({place}) > {MOST} THEN '{{\"cut\":' || length({place}) || '}}' ELSE {place} END"


class _Mysql(Dialect):
    name = "mysql"
    mark = ""

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def text(self, words: str) -> str:
        return "'" + words.replace("\\", "\\\\").replace("'", "''") + "'"

    def joined(self, *parts: str) -> str:
        return f"concat({', '.join(parts)})"

    def differ(self, old: str, new: str) -> str:
        # Byte for byte: the ordinary collations take a capital letter for a small one.
        return f"NOT (CAST({old} AS BINARY) <=> CAST({new} AS BINARY))"

    def value(self, place: str, column: Column[Any]) -> str:
        kind = column.type
        if isinstance(kind, Json):
            return f"coalesce({place}, 'null')"
        if isinstance(kind, Boolean):
            return f"CASE WHEN {place} IS NULL THEN 'null' WHEN {place} THEN 'true' ELSE 'false' END"
        if isinstance(kind, LargeBinary):
            return f"coalesce(json_quote(sha2({place}, 256)), 'null')"
        if isinstance(kind, UtcDateTime):
            return f"coalesce(json_quote(date_format({place}, '%Y-%m-%dT%H:%i:%s.%fZ')), 'null')"
        if isinstance(kind, ExactDecimal):
            plain = f"trim(TRAILING '.' FROM trim(TRAILING '0' FROM CAST({place} AS CHAR)))"
            return f"coalesce(json_quote({plain}), 'null')"
        if _is_integer(kind):
            return f"coalesce(CAST({place} AS CHAR), 'null')"
        if isinstance(kind, Date):
            return f"coalesce(json_quote(CAST({place} AS CHAR)), 'null')"
        return f"coalesce(json_quote({place}), 'null')"

    def trimmed(self, place: str) -> str:
        return f"trim(LEADING ',' FROM {place})"

    def cut(self, place: str) -> str:
        said = self.joined("'{\"cut\":'", f"char_length({place})", '\',"sha256":"\'', f"sha2({place}, 256)", "'\"}'")
        return f"CASE WHEN char_length({place}) > {MOST} THEN {said} ELSE {place} END"


def _is_integer(kind: Any) -> bool:
    inner = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    return isinstance(inner, Integer | BigInteger)


DIALECTS: Final[dict[str, Dialect]] = {one.name: one for one in (Dialect(), _Sqlite(), _Mysql())}


def dialect_words(name: str) -> Dialect:
    """Return the words of a database by SQLAlchemy's name for it."""
    return DIALECTS.get(name, DIALECTS["mysql"])
