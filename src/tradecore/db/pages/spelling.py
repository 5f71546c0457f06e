"""How an export spells values: column by column, since what is looked at once a column costs next to nothing a value.

Each column of a chunk is spelled by one function, and most of the work is done by joining a column into one text and
looking at that: no cell of it is dangerous or needs quotes, or its instants are all of one length. Where that is not
so the cells are spelled one by one, to the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement

from ...sanitize.export import FORMULA_STARTS, csv_cell
from ...trading.exact import canonical
from .parsing import kind_of

__all__ = ["Column", "Speller", "csv_lines", "csv_speller", "jsonl_lines", "jsonl_speller"]

_GAP = "\x1e"
# Found nowhere in a joined column: its cells can stand in a line of CSV as they are.
_TROUBLE = re.compile(f'[",\r\n]|{_GAP}[{re.escape("".join(sorted(FORMULA_STARTS)))}]')
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


class Column(NamedTuple):
    """A column of a chunk, spelled.

    Attributes:
        cells: one for each row; None for NULL.
        bare: whether no cell needs quotes in CSV.
        whole: whether no cell is None.
    """

    cells: Sequence[Any]
    bare: bool
    whole: bool


Speller: TypeAlias = Callable[[Sequence[Any]], Column]


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat()
    text = value.isoformat() if value.tzinfo is UTC else value.astimezone(UTC).isoformat()
    return f"{text[:-6]}Z"


def _stored_instant(text: str) -> str:
    return f"{text[:10]}T{text[11:].removesuffix('.000000')}Z"


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, Decimal):
        return canonical(value)
    return value if isinstance(value, str | int | dict | list) else str(value)


def _cell(value: Any) -> str:
    found = _plain(value)
    return csv_cell(found if isinstance(found, str) else _encode(found))


_SPELLINGS: dict[type[Any], Callable[[Any], str]] = {
    datetime: _instant,
    Decimal: canonical,
    date: date.isoformat,
    bool: lambda value: "true" if value else "false",
}


def _each(spell: Callable[[Any], Any], *, bare: bool) -> Speller:
    """Return what spells a column cell by cell."""

    def column(values: Sequence[Any]) -> Column:
        if None in values:
            return Column([None if value is None else spell(value) for value in values], bare, False)
        return Column([*map(spell, values)], bare, True)

    return column


def _filled(values: Sequence[Any]) -> Sequence[Any]:
    return [value for value in values if value is not None] if None in values else values


def _stored_instants(values: Sequence[Any]) -> Column:
    """Spell instants as SQLite keeps them; making datetimes of them first takes ten times as long."""
    filled = _filled(values)
    whole, many = len(filled) == len(values), len(filled)
    text = "\n".join(filled) + "\n" if many else ""
    # 2026-11-24 09:30:00.000000: all are so long, and have their one blank there.
    if text[10::27] == " " * many and text[26::27] == "\n" * many and text.count(" ") == text.count("\n") == many:
        text = text.replace(" ", "T").replace(".000000\n", "\n").replace("\n", "Z\n")
        spelled = text.split("\n")[:-1]
    else:
        spelled = [_stored_instant(value) for value in filled]
    if whole:
        return Column(spelled, True, True)
    rest = iter(spelled)
    return Column([None if value is None else next(rest) for value in values], True, False)


_cells = _each(_cell, bare=False)
_safe_cells = _each(csv_cell, bare=False)


def _kinds(values: Sequence[Any]) -> set[type[Any]]:
    return set(map(type, values)) - {type(None)}


def _texts(values: Sequence[Any]) -> Column:
    kinds = _kinds(values)
    if not all(issubclass(kind, str) for kind in kinds):
        return _cells(values)
    if kinds - {str}:  # members of an enum, which would be spelled by their names
        values = [value if value is None else str.__str__(value) for value in values]
    if _TROUBLE.search(_GAP + _GAP.join(_filled(values))):
        return _safe_cells(values)
    return Column(values, True, None not in values)


def _whole_numbers(values: Sequence[Any]) -> Column:
    return Column(values, _kinds(values) <= {int}, None not in values)


def csv_speller(column: ColumnElement[Any], *, stored: bool = False) -> Speller:
    """Return what spells a column for CSV; ``stored``: it holds instants as SQLite keeps them."""
    if stored:
        return _stored_instants
    kind = kind_of(column.type)
    if kind is int:
        return _whole_numbers
    if kind is str:
        return _texts
    return _each(_SPELLINGS[kind], bare=True) if kind in _SPELLINGS else _cells


def csv_lines(names: Sequence[str], columns: Sequence[Column]) -> str:
    """Return the lines of a chunk, below a header if there are ``names``."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    if names:
        writer.writerow(names)
    if len(columns) > 1 and all(column.bare for column in columns):
        line = ",".join(["%s"] * len(columns)) + "\r\n"
        lines = map(line.__mod__, zip(*_without_gaps(columns, ""), strict=True))
        return written.getvalue() + "".join(lines)
    writer.writerows(zip(*(column.cells for column in columns), strict=True))
    return written.getvalue()


def _json_texts(values: Sequence[Any]) -> Column:
    return (_json_strings if _kinds(values) <= {str} else _json_values)(values)


def _json_numbers(values: Sequence[Any]) -> Column:
    return _whole_numbers(values) if _kinds(values) <= {int} else _json_values(values)


_json_strings = _each(encode_basestring, bare=True)
_json_values = _each(lambda value: _encode(_plain(value)), bare=True)
_json_ids = _each('"{}"'.format, bare=True)


def jsonl_speller(column: ColumnElement[Any], *, stored: bool = False) -> Speller:
    """Return what spells a column for JSON Lines, each cell a text that is JSON; ``stored`` as for CSV."""
    if stored:
        return lambda values: _json_strings(_stored_instants(values).cells)
    kind = kind_of(column.type)
    if kind is int:
        # Ids are beyond the whole numbers a JavaScript reader keeps exactly.
        is_id = bool(getattr(column, "primary_key", False) or getattr(column, "foreign_keys", None))
        return _json_ids if is_id else _json_numbers
    if kind is str:
        return _json_texts
    if kind is bool or kind not in _SPELLINGS:
        return _json_values
    spell = _SPELLINGS[kind]
    return _each(lambda value: f'"{spell(value)}"', bare=True)


def jsonl_lines(names: Sequence[str], columns: Sequence[Column]) -> str:
    """Return the lines of a chunk, of columns whose cells are JSON already."""
    pairs = [f"{_encode(name).replace('%', '%%')}: %s" for name in names]
    line = "{" + ", ".join(pairs) + "}\n"
    return "".join(map(line.__mod__, zip(*_without_gaps(columns, "null"), strict=True)))


def _without_gaps(columns: Sequence[Column], gap: str) -> list[Sequence[Any]]:
    return [c.cells if c.whole else [gap if value is None else value for value in c.cells] for c in columns]
