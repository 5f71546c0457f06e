"""Draws the schema from its metadata at build time, and writes its reference page: tables by neighbourhood.

The page ``reference/schema.md`` is written anew whenever the models change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from svg import HUBS, Drawing, Point

from tradecore.models import NO_FOREIGN_KEY, Base
from tradecore.models.migrations.drift import tables_of

PAGE = Path(__file__).parent.parent / "reference" / "schema.md"
TITLES = {
    "identity": "Users",
    "billing": "Billing",
    "strategies": "Strategies and settings",
    "signals": "Signals",
    "connections": "Connections and rules",
    "results": "Positions and trades",
    "reconciliations": "Books compared",
    "paper": "Paper trading",
    "notifications": "Notifications",
    "core": "Core",
}
# How the whole is laid out: what leads to much at the right of what it leads to.
_COLUMNS = (
    ("strategies", "billing"),
    ("identity", "connections", "paper"),
    ("signals", "reconciliations"),
    ("results", "notifications"),
    ("core",),
)
_WIDTH, _HALF, _STEP = 270, 96, 56
_MANY = 5  # so many keys lead to a table that its lines need a colour


def neighbourhoods() -> dict[str, list[Table]]:
    """Return the tables by the file their models live in; the core's are one neighbourhood."""
    found: dict[str, list[Table]] = {name: [] for name in TITLES}
    homes = {mapper.local_table: mapper.class_ for mapper in Base.registry.mappers}
    for table in tables_of("platform"):
        found[homes[table].__module__.rsplit(".", 1)[-1]].append(table)
    found["core"] = tables_of("core")
    empty = [name for name, tables in found.items() if not tables]
    if empty:
        raise ValueError(f"no table lives in {empty}: the drawing's list of neighbourhoods is old")
    return found


def model_of(table: Table) -> str:
    """Return the name of a table's model."""
    return next(mapper.class_.__name__ for mapper in Base.registry.mappers if mapper.local_table is table)


def hubs(keys: Iterable[ForeignKey]) -> dict[Table, str]:
    """Return the tables that many keys lead to, with the colour that tells them apart in a crowd of lines."""
    counted = Counter(key.column.table for key in keys)
    crowded = [table for table, count in counted.most_common() if count >= _MANY and "partition_by" not in table.info]
    return dict(zip(crowded, HUBS, strict=False))


def drawn(
    columns: Sequence[Sequence[tuple[str, list[Table]]]], title: str, targets: Collection[Table] = frozenset()
) -> str:
    """Draw groups of tables in columns, each group below its heading, and an arrow for every foreign key among them.

    What leads away from ``targets`` is not drawn: they are there to be led to.
    """
    places: dict[Table, Point] = {}
    headings: list[tuple[Point, str]] = []
    lowest = 0.0
    for number, groups in enumerate(columns):
        x, y = number * _WIDTH + _HALF + 12.0, 0.0
        for heading, tables in groups:
            headings.append(((x, y + 24), heading))
            for row, table in enumerate(tables, 1):
                places[table] = (x, y + row * _STEP)
            y += (len(tables) + 1) * _STEP
        lowest = max(lowest, y)
    drawing = Drawing(len(columns) * _WIDTH, lowest, title, half_width=_HALF)
    keys = [
        key
        for table in places
        if table not in targets
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name)
        if key.column.table in places and key.column.table is not table
    ]
    colours = hubs(keys)
    for key in keys:
        target = key.column.table
        faint = key.ondelete == "SET NULL"
        drawing.link(places[key.parent.table], places[target], hub=colours.get(target, ""), faint=faint)
    for place, heading in headings:
        drawing.words(place, heading)
    for table, place in places.items():
        drawing.box(place, "", end="partition_by" in table.info, hub=colours.get(table, ""))
        drawing.words((place[0], place[1] + 4), table.name, kind="number")
    return drawing.text()


def schema_map() -> str:
    """Draw the whole schema."""
    groups = neighbourhoods()
    wanted = {name for column in _COLUMNS for name in column}
    if wanted != set(groups):
        raise ValueError(f"these neighbourhoods have no place in the drawing: {wanted ^ set(groups)}")
    return drawn([[(TITLES[name], groups[name]) for name in column] for column in _COLUMNS], "The schema")


def neighbourhood(name: str) -> str:
    """Draw one neighbourhood, and at its right the tables elsewhere that its foreign keys lead to."""
    own = neighbourhoods()[name]
    outside = {key.column.table for table in own for key in table.foreign_keys} - set(own)
    half = (len(own) + 1) // 2 if len(own) > 4 else len(own)
    groups = [(TITLES[name], own[:half]), ("", own[half:]), ("elsewhere", sorted(outside, key=lambda t: t.name))]
    return drawn([[group] for group in groups if group[1]], TITLES[name], outside)


def page() -> str:
    """Return the reference page: a section a neighbourhood, with every column, key, check and index."""
    lines = [
        "# The schema",
        "",
        "Made from the models when this site is built. An arrow is a foreign key: full where the row goes along",
        "(CASCADE) or keeps its target (RESTRICT), faint where it is let go (SET NULL). Lines to a crowded table have",
        "its colour; what leads away from the tables at the right, under *elsewhere*, stands in their own section.",
        "A thick frame is a table that is partitioned on PostgreSQL. Types are PostgreSQL's; `?` may be NULL.",
        "",
    ]
    for name, tables in neighbourhoods().items():
        lines += [f"## {TITLES[name]}", "", f"```{{schema-neighbourhood}} {name}", "```", ""]
        for table in sorted(tables, key=lambda table: table.name):
            lines += _section(table)
    lines += ["## Ids that lead nowhere on purpose", "", "| column | why it is no foreign key |", "| --- | --- |"]
    lines += [f"| `{column}` | {reason} |" for column, reason in NO_FOREIGN_KEY.items()]
    return "\n".join(lines) + "\n"


def _section(table: Table) -> list[str]:
    by = table.info.get("partition_by")
    lines = [f"### {table.name}", "", f"`{model_of(table)}`" + (f", partitioned by {by}." if by else "."), ""]
    lines += ["| column | type | leads to |", "| --- | --- | --- |"]
    for column in table.columns:
        kind = column.type.compile(postgresql.dialect())
        key = next(iter(column.foreign_keys), None)
        leads = f"{key.column.table.name}, {key.ondelete}" if key is not None else ""
        lines.append(f"| `{column.name}` | {kind}{'?' if column.nullable else ''} | {leads} |")
    lines.append("")
    uniques = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
    lines += _listed("Unique", (", ".join(column.name for column in one.columns) for one in uniques))
    checks = [c for c in table.constraints if isinstance(c, CheckConstraint)]
    lines += _listed("Checked", (str(one.sqltext.compile(compile_kwargs=_AS_WRITTEN)) for one in checks))
    lines += _listed("Indexed", (", ".join(column.name for column in one.columns) for one in table.indexes))
    return lines


_AS_WRITTEN = {"literal_binds": True}


def _listed(word: str, things: Iterable[str]) -> list[str]:
    found = sorted(things)
    return [f"{word}: {'; '.join(f'`{one}`' for one in found)}.", ""] if found else []


def write(_: Any) -> None:
    """Write the page where it changed."""
    text = page()
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
