"""What a statement may do, read off its tree: only what is proven to read, and nothing else, may go to a replica."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from sqlalchemy.sql import functions, visitors
from sqlalchemy.sql.ddl import ExecutableDDLElement
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import ColumnClause, OperatorExpression, TextClause
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import GenerativeSelect, SelectBase, TextualSelect

from ..reading import READS

__all__ = ["PURE_FUNCTIONS", "Verdict", "verdict_in", "verdict_of"]


class Verdict(StrEnum):
    """What a statement may do."""

    READS = "reads"
    UNKNOWN = "unknown"  # text, or a function nobody vouches for
    WRITES = "writes"  # or locks


PURE_FUNCTIONS = {
    *("abs", "avg", "ceil", "ceiling", "date", "date_trunc", "exp", "extract", "floor", "greatest", "ifnull", "least"),
    *("length", "ln", "lower", "ltrim", "mod", "nullif", "power", "replace", "round", "row_number", "rtrim", "sign"),
    *("sqrt", "strftime", "substr", "substring", "to_char", "total", "trim", "trunc", "unixepoch", "upper", "utc_date"),
    *("utc_timestamp", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "first_value", "last_value"),
    *("lag", "lead", "ntile", "nth_value", "bool_and", "bool_or", "json_extract", "string_agg", "group_concat"),
}
"""Functions without an effect, beside those SQLAlchemy knows by itself; add your own, in lower case."""

_PLAIN = re.compile(r"\*|\w+(\.\w+)*")
_SAVEPOINTS = ("savepoint", "rollback_to_savepoint", "release_savepoint")


def verdict_of(statement: Any) -> Verdict:
    """Say what ``statement`` may do; ``.execution_options(tradecore_read=True)`` vouches for text and functions in it.

    Nobody can vouch for INSERT, UPDATE, DELETE, DDL or a locking SELECT, wherever in the statement they stand.
    """
    if isinstance(statement, UpdateBase | ExecutableDDLElement):
        return Verdict.WRITES
    if getattr(statement, "__visit_name__", "") in _SAVEPOINTS:
        return Verdict.READS
    vouched = bool(getattr(statement, "_execution_options", {}).get(READS))
    selects = isinstance(statement, SelectBase) and not isinstance(statement, TextualSelect)
    verdict = Verdict.READS if vouched or selects else Verdict.UNKNOWN
    if not hasattr(statement, "get_children"):
        return verdict
    for element in visitors.iterate(statement):
        kind = type(element)
        looks = _LOOKS.get(kind)
        if looks is None:
            looks = _LOOKS[kind] = _look_at(kind)
        for look in looks:
            found = look(element)
            if found is Verdict.WRITES:
                return found
            if found is Verdict.UNKNOWN and not vouched:
                verdict = found
    return verdict


_LOOKS: dict[type[Any], tuple[Callable[[Any], Verdict], ...]] = {}
"""What to look at, by the element's class: most have nothing to hide, and a walk is to be cheap."""


def _look_at(kind: type[Any]) -> tuple[Callable[[Any], Verdict], ...]:
    if issubclass(kind, UpdateBase):
        return (lambda _: Verdict.WRITES,)
    if kind.__module__.partition(".")[0] != "sqlalchemy" and not issubclass(kind, functions.FunctionElement):
        return (lambda _: Verdict.UNKNOWN,)  # an element of the user's own, compiled by the user's own rule
    looks: list[Callable[[Any], Verdict]] = []
    if issubclass(kind, TextClause):
        looks.append(lambda _: Verdict.UNKNOWN)
    if issubclass(kind, functions.FunctionElement):
        looks.append(lambda function: Verdict.READS if _is_pure(function) else Verdict.UNKNOWN)
    if issubclass(kind, ColumnClause):
        looks.append(_of_literal)
    if issubclass(kind, OperatorExpression):
        looks.append(_of_operator)
    if issubclass(kind, GenerativeSelect):
        looks.append(lambda select: Verdict.READS if select._for_update_arg is None else Verdict.WRITES)
    words = [name for name in ("_prefixes", "_suffixes", "_hints", "_statement_hints") if hasattr(kind, name)]
    if words:
        looks.append(
            lambda element: Verdict.UNKNOWN if any(getattr(element, name) for name in words) else Verdict.READS
        )
    return tuple(looks)


def _of_literal(column: Any) -> Verdict:
    return Verdict.UNKNOWN if column.is_literal and _PLAIN.fullmatch(column.name) is None else Verdict.READS


def _of_operator(expression: Any) -> Verdict:
    operator = expression.operator
    spoken = isinstance(operator, custom_op) and re.search(r"[(;]", operator.opstring)
    return Verdict.UNKNOWN if spoken else Verdict.READS


def _is_pure(function: functions.FunctionElement[Any]) -> bool:
    name = str(getattr(function, "name", "")).lower()
    if getattr(function, "packagenames", ()):
        return False  # a schema's own function may have any name
    known = isinstance(function, functions.GenericFunction) and type(function).__module__.startswith("sqlalchemy.")
    return (known and not isinstance(function, functions.next_value)) or name in PURE_FUNCTIONS


def verdict_in(context: Any) -> Verdict:
    """Say what the statement of an execution context may do; judged once for each compiled statement."""
    compiled = context.compiled if context is not None else None
    if compiled is None:
        return Verdict.UNKNOWN
    verdict: Verdict | None = compiled.__dict__.get("_tradecore_verdict")
    if verdict is None:
        verdict = verdict_of(compiled.statement)
        state = getattr(compiled, "compile_state", None)
        inner = getattr(state, "statement", None)
        if verdict is Verdict.READS and inner is not None and inner is not compiled.statement:
            # What the mappers put into it (a column_property, criteria of options) is judged as well.
            vouched = bool(compiled.statement._execution_options.get(READS))
            found = verdict_of(inner)
            verdict = found if found is Verdict.WRITES or not vouched else verdict
        compiled.__dict__["_tradecore_verdict"] = verdict
    return verdict
