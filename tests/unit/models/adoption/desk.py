"""An old database next to tradecore's tables, and what tests look at in it."""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, select, text
from tests.unit.models.adoption import old_platform

from tradecore.db import Database
from tradecore.models import migrations
from tradecore.models.adoption import AdoptionReport, Declaration, adopt, books, set_aside
from tradecore.models.migrations.drift import tables_of

DECLARED = Declaration.of(old_platform.MAPPING)


@cache
def _first() -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    with Database(f"sqlite:///{folder / 'first.db'}") as db:
        old_platform.build(f"sqlite:///{folder / 'first.db'}")
        set_aside(db)
        migrations.upgrade(db)
    return folder / "first.db"


@contextmanager
def old_and_new(url: str, *, scale: int = 1) -> Iterator[Database]:
    """Yield a database in which the old tables were set aside and ours made; a file is copied from the first one."""
    if url.startswith("sqlite:///") and scale == 1:
        shutil.copy(_first(), url.removeprefix("sqlite:///"))
        with Database(url) as db:
            yield db
        return
    with Database(url) as db:
        old_platform.build(db.engine if url == "sqlite://" else url, scale=scale)
        set_aside(db)
        migrations.upgrade(db)
        yield db


def adopted(db: Database, **options: Any) -> AdoptionReport:
    """Adopt for good."""
    return adopt(db, **{"declaration": DECLARED, "apply": True, "backup_taken": True, **options})


def snapshot(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything in our tables and in the adoption's books, but for when it was done."""
    found = {}
    with db.engine.connect().execution_options(**books.EVERYTHING) as connection:
        for table in [*tables_of("platform"), books.ids, books.quarantine, books.findings]:
            columns = [column for column in table.columns if column.name != "quarantined_at"]
            rows = connection.execute(select(*columns).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(map(_comparable, row)) for row in rows]
    return found


def _comparable(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def old_rows(db: Database, names: list[str]) -> str:
    """Return a hash of every value in the old tables."""
    seen = hashlib.sha256()
    with db.engine.connect().execution_options(**books.EVERYTHING) as connection:
        for name in names:
            quoted = connection.dialect.identifier_preparer.quote(name)
            columns = [
                f"CAST({connection.dialect.identifier_preparer.quote(c['name'])} AS CHAR(400))"
                for c in inspect(connection).get_columns(name)
            ]
            for row in connection.execute(text(f"SELECT {', '.join(columns)} FROM {quoted} ORDER BY id")):
                seen.update(repr(tuple(row)).encode())
    return seen.hexdigest()


def mapping_file(directory: Path) -> Path:
    """Write the mapping as a person would, and return where it is."""
    path = directory / "mapping.toml"
    path.write_text("\n".join(_toml(old_platform.MAPPING)), encoding="utf-8")
    return path


def _toml(table: dict[str, Any], name: str = "") -> Iterator[str]:
    if name:
        yield f"[{name}]"
    for key, value in table.items():
        if not isinstance(value, dict):
            yield f"{key} = {json.dumps(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _toml(value, f"{name}.{key}".lstrip("."))
