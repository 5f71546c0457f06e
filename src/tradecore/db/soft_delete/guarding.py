"""The last look before the cursor: a statement that no session filtered and that reads or writes deleted rows too.

It sees what goes to a connection directly, written-out SQL, and plain tables in a session's statements. Each distinct
statement is judged once.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Column, Table, event, inspect
from sqlalchemy.engine import Engine
from sqlalchemy.orm import LoaderCriteriaOption
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import Delete, Update
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.selectable import AliasedReturnsRows, Join, Select, SelectBase

from ...errors import ConfigurationError
from .cascade import soft_models
from .hiding import CHECKED, ONLY_DELETED, PURGE, WITH_DELETED

__all__ = ["STRICT", "Guard", "guard"]

_log = logging.getLogger("tradecore.db")

STRICT: Final = "TRADECORE_STRICT"
"""Environment variable: with ``1`` the guard refuses always; the pytest plugin sets it."""

_MOST = 2_000
# What SQLAlchemy leaves on a statement that a session runs for the ORM: of SELECTs, of DML. A test holds it.
_BY_ORM = ("_result_disable_adapt_to_context", "_sa_orm_update_options", "_sa_orm_insert_options")
_READS = re.compile(r"\s*(?:select|with|update|delete|insert|replace|merge|copy|\()", re.IGNORECASE)


def guard(engine: Engine, *, strict: bool | None = None) -> Guard:
    """Watch what ``engine`` executes.

    Args:
        engine: whose statements.
        strict: whether what would show deleted rows is refused, or only told to the log ``tradecore.db``; left out,
            the environment variable ``TRADECORE_STRICT`` decides.
    """
    watch = Guard(os.environ.get(STRICT) == "1" if strict is None else strict)
    event.listen(engine, "before_cursor_execute", watch, retval=True)  # which saves a wrapper around it
    return watch


class Guard:
    """Judges statements, and remembers what it found."""

    def __init__(self, strict: bool) -> None:
        """Refuse everything, or only what came as a Core statement through a session."""
        self.strict = strict
        self._found: dict[tuple[str, bool], str | None] = {}
        self._told: set[str] = set()

    def __call__(
        self,
        _connection: Any,
        _cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        _executemany: bool,
    ) -> tuple[str, Any]:
        """Look at one statement, and return it as it is.

        Raises:
            ConfigurationError: if it is refused.
        """
        options = context.execution_options
        key = (statement, _BY_ORM[0] in options or _BY_ORM[1] in options or _BY_ORM[2] in options)
        if key not in self._found:
            if len(self._found) >= _MOST:
                self._found.clear()
            self._found[key] = _exposed(statement, context.compiled, by_orm=key[1])
        name = self._found[key]
        # A flush brings the mapper's own cache of statements along: it writes rows already in hand.
        if name is not None and options.get("compiled_cache") is None:
            told = options.get(WITH_DELETED) or options.get(ONLY_DELETED) or options.get(PURGE)
            if not told:
                self._speak(name, statement, refused=self.strict or bool(options.get(CHECKED)))
        return statement, parameters

    def _speak(self, name: str, statement: str, refused: bool) -> None:
        said = (
            f"this statement reads or writes {name} without regard to its deleted rows: go through the model and a "
            "session, name deleted_at in its WHERE, or say with_deleted()"
        )
        if refused:
            raise ConfigurationError(said)
        if statement not in self._told and len(self._told) < _MOST:
            self._told.add(statement)
            _log.warning("%s; it begins %.80s", said, " ".join(statement.split()))


def _soft_tables() -> dict[str, Table]:
    tables = [inspect(kind).local_table for kind in soft_models()]
    return {table.name: table for table in tables if isinstance(table, Table)}


def _exposed(sql: str, compiled: Any, *, by_orm: bool) -> str | None:
    """Return the table whose deleted rows a statement does not mind, or None."""
    names = [name for name in _soft_tables() if name in sql]
    if not names or not _READS.match(sql):
        return None
    if compiled is None or isinstance(compiled.statement, TextClause):
        return _in_text(sql, names)
    options = getattr(compiled.statement, "_with_options", ())
    hiding = by_orm or any(isinstance(option, LoaderCriteriaOption) for option in options)
    found = _plain_tables(compiled.statement, names) if hiding else _unfiltered(compiled.statement)
    return next((name for name in found if name in names), None)


def _in_text(sql: str, names: list[str]) -> str | None:
    lowered = sql.lower()
    if "deleted_at" in lowered or (lowered.lstrip().startswith("insert") and "select" not in lowered):
        return None
    any_name = "|".join(map(re.escape, names))
    place = rf"(?:\b(?:from|join|update|using)\s+(?:only\s+)?|,\s*)[\"`\[]?(?:\w+[\"`\]]?\.[\"`\[]?)?({any_name})(?!\w)"
    found = re.search(place, sql, re.IGNORECASE)
    return found[1] if found else None


def _plain_tables(statement: Any, names: list[str]) -> Iterator[str]:
    """Yield the tables that stand in an ORM statement as tables, which no criterion reaches, and those of its texts."""
    for node in visitors.iterate(statement):
        if isinstance(node, Select):
            joined = [target for target, *_ in node._setup_joins]
            for place in [place for item in (*node._from_obj, *joined) for place in _flattened(item, [])]:
                table = place.element if isinstance(place, AliasedReturnsRows) else place
                if isinstance(table, Table) and _is_plain(place):
                    yield table.name
            yield from _plain_columns(node)
        elif isinstance(node, TextClause) and _READS.match(node.text):
            name = _in_text(node.text, names)
            if name is not None:
                yield name


def _plain_columns(node: Any) -> Iterator[str]:
    # SQLAlchemy adds keys in this form itself, beside the entity.
    entities = {getattr(item._annotations.get("parententity"), "local_table", None) for item in node._raw_columns}
    for column in node._raw_columns:
        if isinstance(column, Column) and _is_plain(column) and column.table not in entities:
            yield getattr(column.table, "name", "")


def _is_plain(node: Any) -> bool:
    return "parententity" not in getattr(node, "_annotations", ())


def _unfiltered(statement: Any) -> Iterator[str]:
    """Yield the tables of which a part of the statement reads or writes rows without naming ``deleted_at``."""
    for node in visitors.iterate(statement):
        if isinstance(node, Select):
            froms = list(node.get_final_froms())
        elif isinstance(node, Update | Delete):
            froms = [node.table, *getattr(node, "_extra_froms", ())]
        else:
            continue
        conditions: list[Any] = list(node._where_criteria)
        places = [place for item in froms for place in _flattened(item, conditions)]
        minded = {name for condition in conditions for name in _minded(condition)}
        for place in places:
            table = place.element if isinstance(place, AliasedReturnsRows) else place
            if isinstance(table, Table) and not minded & {place.name, "*"}:
                yield table.name


def _flattened(item: Any, conditions: list[Any]) -> Iterator[Any]:
    if isinstance(item, Join):
        conditions.append(item.onclause)
        yield from _flattened(item.left, conditions)
        yield from _flattened(item.right, conditions)
    else:
        yield item


def _minded(node: Any) -> Iterator[str]:
    if isinstance(node, Column) and node.name == "deleted_at" and node.table is not None:
        yield node.table.name
    elif isinstance(node, TextClause) and "deleted_at" in node.text:
        yield "*"
    elif not isinstance(node, SelectBase):
        for child in node.get_children():
            yield from _minded(child)
