"""What the project's own files look like: paths, syntax trees, sizes. ``python -m tests.house`` prints the medians."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tradecore"
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60

_FOLDERS = ("src", "tests", "docs", "examples", "benchmarks", ".ci")
_FILES = ("*.md", "*.toml", "*.py", "*.cfg", "LICENSE")
_LEFT_OUT = {"__pycache__", "_build"}
_TEXT = {".py", ".md", ".toml", ".txt", ".rst", ".yml", ".yaml", ".ini", ".cfg", ".html", ".js", ".css", ".sh", ""}


@cache
def texts() -> tuple[Path, ...]:
    """Return every text file of the project."""
    found = {path for pattern in _FILES for path in ROOT.glob(pattern)}
    for folder in _FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix in _TEXT and not _LEFT_OUT & set(path.parts):
                found.add(path)
    return tuple(sorted(found))


def sources(*folders: str) -> tuple[Path, ...]:
    """Return the Python files below ``folders`` (all of the project's when none is named)."""
    wanted = tuple(ROOT / folder for folder in folders)
    return tuple(
        path
        for path in texts()
        if path.suffix == ".py" and (not wanted or any(path.is_relative_to(folder) for folder in wanted))
    )


@cache
def tree(path: Path) -> ast.Module:
    """Return the file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def shown(path: Path, node: ast.AST | None = None) -> str:
    """Return ``path`` from the project's root, with the node's line where there is one."""
    line = f":{node.lineno}" if isinstance(node, ast.stmt | ast.expr) else ""
    return f"{path.relative_to(ROOT).as_posix()}{line}"


@dataclass(frozen=True)
class Size:
    """How long a file or a function is, and where it stands."""

    where: str
    lines: int


def file_sizes(*folders: str) -> list[Size]:
    """Measure files; migrations are exempt, they are a record and never edited."""
    return [
        Size(shown(path), len(path.read_text(encoding="utf-8").splitlines()))
        for path in sources(*folders)
        if "versions" not in path.parts
    ]


def function_sizes(*folders: str) -> list[Size]:
    """Measure functions from their ``def`` to their last line, docstring included; migrations are exempt."""
    return [
        Size(f"{shown(path, node)} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in sources(*folders)
        if "versions" not in path.parts
        for node in functions(path)
    ]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a file, nested ones and methods included."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for an attribute chain, the name for a name, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def report() -> str:
    """Return the sizes in a few lines: medians and the longest."""
    lines = []
    for folder in ("src", "tests"):
        for what, sizes in (("files", file_sizes(folder)), ("functions", function_sizes(folder))):
            if sizes:
                longest = max(sizes, key=lambda size: size.lines)
                middle = median(size.lines for size in sizes)
                counted = f"{folder:6} {what:10} {len(sizes):5}   median {middle:5g}"
                lines.append(f"{counted}   longest {longest.lines} {longest.where}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
