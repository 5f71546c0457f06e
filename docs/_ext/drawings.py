"""Drawings made from the code itself at build time: the order's tables, the errors, the schema. Inline SVG, no scripts.

``{submission-moves}`` and ``{status-moves}`` read :mod:`tradecore.trading.lifecycle`, ``{error-tree}`` reads
:mod:`tradecore.errors`, ``{schema-map}`` and ``{schema-neighbourhood} name`` the models; a state, an error or a table
that is added appears without an edit here, or stops the build.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from schema import neighbourhood, schema_map
from svg import Drawing, Point

from tradecore import errors
from tradecore.trading import FINAL_SUBMISSIONS, IN_DOUBT, STATUS_MOVES, SUBMISSION_MOVES, OrderStatus, Submission
from tradecore.trading.lifecycle import Evidence

PLACES: dict[Submission, Point] = {
    Submission.RECORDED: (90, 190),
    Submission.CLAIMED: (290, 190),
    Submission.SENDING: (490, 190),
    Submission.CONFIRMING: (490, 50),
    Submission.ACKNOWLEDGED: (880, 190),
    Submission.REJECTED: (700, 50),
    Submission.UNKNOWN: (690, 330),
    Submission.REVIEW: (880, 420),
    Submission.WITHDRAWN: (90, 420),
    Submission.LAPSED: (270, 440),
    Submission.DENIED: (450, 420),
}


def submission_moves() -> str:
    """Draw the submission table; arrows are numbered, and the numbers are the rows of the list below the drawing."""
    drawing = Drawing(990, 480, "The life of an intent, from recorded to acknowledged")
    numbers = _numbers()
    for (source, target), number in numbers.items():
        late = number is None
        drawing.arrow(PLACES[source], PLACES[target], label="" if late else str(number), faint=late)
    for state, place in PLACES.items():
        drawing.box(place, state.value, end=state in FINAL_SUBMISSIONS, doubt=state in IN_DOUBT)
    missing = set(Submission) - set(PLACES)
    if missing:
        raise ValueError(f"these states have no place in the drawing: {missing}")
    return drawing.text() + _legend(numbers)


def _numbers() -> dict[tuple[Submission, Submission], int | None]:
    """Number the arrows in table order; a late fact, drawn faint, has none."""
    numbers: dict[tuple[Submission, Submission], int | None] = {}
    count = 0
    for move in SUBMISSION_MOVES:
        pair = (move.source, move.target)
        if pair in numbers:
            continue
        if move.evidence is Evidence.BROKER_HAS_IT and move.source in _BEFORE_OR_AFTER:
            numbers[pair] = None
        else:
            count += 1
            numbers[pair] = count
    return numbers


_BEFORE_OR_AFTER = {Submission.RECORDED, Submission.CLAIMED} | FINAL_SUBMISSIONS


def _legend(numbers: dict[tuple[Submission, Submission], int | None]) -> str:
    rows = []
    for (source, target), number in numbers.items():
        if number is not None:
            why = "; or ".join(m.evidence.value for m in SUBMISSION_MOVES if (m.source, m.target) == (source, target))
            rows.append(
                f"<tr><td>{number}</td><td>{source.value}</td><td>{target.value}</td><td>{escape(why)}</td></tr>"
            )
    late = ", ".join(source.value for (source, _), number in numbers.items() if number is None)
    head = "<tr><th></th><th>from</th><th>to</th><th>only by</th></tr>"
    return (
        f"<table class='docutils align-default'><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
        f"<p>Faint: late facts. The broker names an order that we thought {late}; facts win.</p>"
    )


def status_moves() -> str:
    """Draw the status table as a grid: a row for what we knew, a column for what is reported next."""
    step, left, top = 52, 150, 130
    states = list(OrderStatus)
    sources: list[OrderStatus | None] = [None, *states]
    drawing = Drawing(left + step * len(states) + 20, top + 30 * len(sources) + 10, "Which report may follow which")
    legal = set(STATUS_MOVES)
    for column, target in enumerate(states):
        drawing.slanted((left + column * step + 20, top - 8), target.value)
    for row, source in enumerate(sources):
        y = top + row * 30 + 12
        drawing.words((left - 12, y), source.value if source else "(nothing yet)", anchor="end")
        for column, target in enumerate(states):
            x = left + column * step + 20
            drawing.dot((x, y), full=(source, target) in legal, same=source is target)
    return drawing.text()


def error_tree() -> str:
    """List every error below its parent, with its code, its HTTP status and its sentence."""
    every = {getattr(errors, name) for name in errors.__all__}

    def branch(kind: type[errors.TradeCoreError]) -> str:
        below = sorted((k for k in every if k.__bases__[0] is kind), key=lambda k: k.__name__)
        inner = f"<ul>{''.join(branch(k) for k in below)}</ul>" if below else ""
        sentence = escape((kind.__doc__ or "").strip().splitlines()[0])
        name = f"<code>{kind.__name__}</code> <small>{kind.code} · {kind.http_status}</small>"
        return f"<li>{name}<br>{sentence}{inner}</li>"

    return f"<ul>{branch(errors.TradeCoreError)}</ul>"


class _Drawn(Directive):
    make: ClassVar[Callable[[], str]]

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", type(self).make(), format="html")]


class _Neighbourhood(Directive):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", neighbourhood(self.arguments[0]), format="html")]


def _directive(make: Callable[[], str]) -> type[_Drawn]:
    return type(make.__name__, (_Drawn,), {"make": staticmethod(make)})


def setup(app: Any) -> dict[str, bool]:
    """Register the directives with Sphinx."""
    for make in (submission_moves, status_moves, error_tree, schema_map):
        app.add_directive(make.__name__.replace("_", "-"), _directive(make))
    app.add_directive("schema-neighbourhood", _Neighbourhood)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
