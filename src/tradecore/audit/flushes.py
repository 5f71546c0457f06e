"""The session's own writes: after each flush the changes of audited rows become events, by one more statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from sqlalchemy import event, inspect, select, tuple_
from sqlalchemy.orm import Session
from sqlalchemy.orm.base import LoaderCallableStatus
from sqlalchemy.sql import ClauseElement

from ..db.batches import batched
from ..db.session import TradeSession
from ..db.soft_delete import WITH_DELETED
from .audited import Plan, key_of, plan_of
from .events import macs_of
from .handing import told_by_triggers
from .values import MOST, Values, capped
from .writing import Change, write

__all__ = ["MOST_KEYS", "change", "kept", "values_for"]

MOST_KEYS = 500
_EXPRESSIONS, _GONE = "tradecore.audit.expressions", "tradecore.audit.gone"
_UNKNOWN = (LoaderCallableStatus.NO_VALUE, LoaderCallableStatus.NEVER_SET)


@event.listens_for(TradeSession, "before_flush")
def _flushing(session: Session, *_: Any) -> None:
    """Remember what will be overwritten by an SQL expression or go with its row: afterwards nobody could tell."""
    expressions: dict[Any, dict[str, Any]] = {}
    for state, plan in _with_plans(session, session.dirty):
        row = state.dict
        found = {
            name: old
            for name, old in state.committed_state.items()
            if name in plan.columns and isinstance(row.get(name), ClauseElement)
        }
        if found:
            expressions[state] = found
    session.info[_EXPRESSIONS] = expressions
    gone = [
        (state, plan, [name for name in plan.columns if name not in state.dict and name not in state.committed_state])
        for state, plan in _with_plans(session, session.deleted)
        if state.key is not None
    ]
    session.info[_GONE] = _fetched(session, gone) if gone else {}


@event.listens_for(TradeSession, "after_flush")
def _flushed(session: Session, _: Any) -> None:
    changes = list(_changes(session))
    if changes:
        write(session, changes)


def _changes(session: Session) -> Iterator[Change]:
    if session.new:
        yield from _created(session)
    yield from _updated(session)
    if session.deleted:
        yield from _deleted(session)


def _with_plans(session: Session, rows: Iterable[object]) -> Iterator[tuple[Any, Plan]]:
    for row in rows:
        state: Any = inspect(row)
        plan = plan_of(state.mapper)
        if plan is not None and not told_by_triggers(session, plan.resource):
            yield state, plan


def _created(session: Session) -> Iterator[Change]:
    found = list(_with_plans(session, session.new))
    fetched = _fetched(session, ((state, plan, _left_to_the_database(state, plan)) for state, plan in found))
    values = _PerPlan(session)
    for state, plan in found:
        row, late = state.dict, fetched.get(state, {})
        new = {name: late[name] if name in late else row.get(name) for name in plan.columns}
        new |= _linked(state, plan)[1]
        yield change(plan, "created", key_of(plan, state.obj()), None, new, values[plan])


def _left_to_the_database(state: Any, plan: Plan) -> list[str]:
    expired = state.expired_attributes
    return [
        name
        for name, column in plan.columns.items()
        if name not in state.dict and (name in expired or column.server_default is not None)
    ]


def _updated(session: Session) -> Iterator[Change]:
    found, expressions = [], session.info.pop(_EXPRESSIONS, {})
    for state, plan in _with_plans(session, session.dirty):
        was = {**state.committed_state, **expressions.get(state, {})}
        old = {name: value for name, value in was.items() if name in plan.columns}
        found.append((state, plan, old, [name for name in old if name not in state.dict]))
    fetched = _fetched(session, ((state, plan, late) for state, plan, _, late in found))
    values = _PerPlan(session)
    for state, plan, old, _ in found:
        row, late_values = state.dict, fetched.get(state, {})
        new = {name: late_values[name] if name in late_values else row.get(name) for name in old}
        for name in [name for name, value in old.items() if value in _UNKNOWN]:
            del old[name]
        same = [name for name in new if name in old and _alike(old[name], new[name])]
        for name in same:
            del old[name], new[name]
        gone, came = _linked(state, plan)
        if new or came or gone:
            yield change(plan, plan.verb(old, new), key_of(plan, state.obj()), old | gone, new | came, values[plan])


def _alike(old: Any, new: Any) -> bool:
    return type(old) is type(new) and bool(old == new)


def _deleted(session: Session) -> Iterator[Change]:
    values, unread = _PerPlan(session), session.info.pop(_GONE, {})
    for state, plan in _with_plans(session, session.deleted):
        known = {name: value for name, value in state.committed_state.items() if value not in _UNKNOWN}
        held = {**state.dict, **known, **unread.get(state, {})}
        old = {name: held[name] for name in plan.columns if name in held}
        yield change(plan, "deleted", key_of(plan, state.obj()), old, None, values[plan])


def _linked(state: Any, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a table between was changed by: relationship -> keys of what went, and of what came."""
    gone, came = {}, {}
    for name in plan.links:
        if name not in state.dict and name not in state.committed_state:
            continue
        history = state.attrs[name].history
        if history.deleted:
            gone[name] = [_identity(row) for row in history.deleted]
        if history.added:
            came[name] = [_identity(row) for row in history.added]
    return gone, came


def _identity(row: object) -> str:
    state: Any = inspect(row)
    return "/".join(str(state.dict.get(state.mapper.get_property_by_column(c).key)) for c in state.mapper.primary_key)


def _fetched(session: Session, wanted: Iterable[tuple[Any, Plan, list[str]]]) -> dict[Any, dict[str, Any]]:
    """Read what only the database knows by now: defaults of its own, and the values of SQL expressions."""
    groups: dict[tuple[Plan, tuple[str, ...]], dict[tuple[Any, ...], Any]] = defaultdict(dict)
    for state, plan, names in wanted:
        if names:
            groups[plan, tuple(names)][tuple(state.dict[name] for name in plan.keys)] = state
    found: dict[Any, dict[str, Any]] = {}
    for (plan, late), states in groups.items():
        columns: list[Any] = [*plan.mapper.primary_key, *(plan.columns[name] for name in late)]
        by = tuple_(*plan.mapper.primary_key)
        for some in batched(list(states), MOST_KEYS):
            query = select(*columns).where(by.in_(list(some)))
            for row in session.connection().execute(query, execution_options={WITH_DELETED: True}):
                many = len(plan.keys)
                found[states[tuple(row[:many])]] = dict(zip(late, row[many:], strict=True))
    return found


Side: TypeAlias = dict[str, Any] | None


class _PerPlan(dict[Plan, Values]):
    """What makes values fit to be kept, for each plan once a flush."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def __missing__(self, plan: Plan) -> Values:
        made = self[plan] = values_for(self._session, plan)
        return made


def values_for(session: Session, plan: Plan) -> Values:
    """Return what makes the values of a plan's rows fit to be kept."""
    return Values(macs_of(session), plan.shown, plan.secret)


def change(
    plan: Plan,
    verb: str,
    key: str,
    old: dict[str, Any] | None,
    new: dict[str, Any] | None,
    values: Values,
) -> Change:
    """Return the event of one row's change."""
    old_kept, old_apart = kept(plan, old, values)
    new_kept, new_apart = kept(plan, new, values)
    personal = {"old": old_apart, "new": new_apart} if old_apart or new_apart else None
    return Change(plan.action(verb), plan.resource, key, old_kept, new_kept, personal)


def kept(
    plan: Plan, side: dict[str, Any] | None, values: Values
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return one side as it is kept, and the personal values of it."""
    if side is None:
        return None, None
    secret, personal = plan.secret, plan.personal
    made, apart = {}, {}
    for name, value in side.items():
        said = values.fingerprint(value) if name in secret else values.of_column(value)
        if name in personal:
            apart[name] = said
        else:
            made[name] = said
    return _within(made), _within(apart) if apart else None


def _within(side: dict[str, Any]) -> dict[str, Any]:
    long = sum(len(value) for value in side.values() if type(value) is str) > MOST // 8
    nested = any(isinstance(value, dict | list) for value in side.values())
    return capped(side) if long or nested or len(side) > 100 else side
