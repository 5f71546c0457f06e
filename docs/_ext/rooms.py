"""Writes one reference page for each public room when the build begins, so that no room is forgotten."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.api_snapshot import rooms

PAGES = Path(__file__).parent.parent / "reference" / "rooms"
# Modules below a room's front door that users import from.
SHELVES = (
    "tradecore.brokers.evidence",
    "tradecore.db.partitions",
    "tradecore.db.rotation",
    "tradecore.db.soft_delete",
    "tradecore.models.adoption",
    "tradecore.models.imports",
    "tradecore.models.migrations",
    "tradecore.models.repositories",
    "tradecore.orders.connections",
    "tradecore.testing.conformance",
)
PAGE = """# `{name}`

```{{eval-rst}}
.. automodule:: {name}
   :members:
   :exclude-members: {elsewhere}
   :show-inheritance:
```
"""


def page_of(room: ModuleType) -> str:
    """Return a room's page. What it only passes on is described at home; `cache_ok` is SQLAlchemy's word to itself."""
    homes = {name: getattr(getattr(room, name), "__module__", None) or "" for name in room.__all__}
    elsewhere = [n for n, home in homes.items() if home.startswith("tradecore") and not home.startswith(room.__name__)]
    return PAGE.format(name=room.__name__, elsewhere=", ".join([*elsewhere, "cache_ok"]))


def write(_: Any) -> None:
    """Write what changed, and take away the pages of rooms that are gone."""
    PAGES.mkdir(exist_ok=True)
    wanted = {
        f"{room.__name__.removeprefix('tradecore.')}.md": page_of(room)
        for room in (*rooms(), *map(import_module, SHELVES))
        if getattr(room, "__all__", None) and room.__name__ != "tradecore"
    }
    for page in PAGES.glob("*.md"):
        if page.name not in wanted:
            page.unlink()
    for name, text in wanted.items():
        page = PAGES / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
