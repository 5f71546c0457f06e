"""The public surface as text: ``python -m tests.api_snapshot`` prints it, ``--write`` keeps it in docs/api.txt.

A reviewer reads a change of the public contract in the diff of one file. Rooms are listed with what their ``__all__``
names; a signature is written as its module spells it, so the text does not depend on the Python that makes it.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Iterator
from types import ModuleType

from tests.house import ROOT

import tradecore

SNAPSHOT = ROOT / "docs" / "api.txt"
HOW = "python -m tests.api_snapshot --write"

# Rooms whose modules, not whose front, are what users import; and rooms that offer commands, not names.
_OPEN_ROOMS = {"tradecore.web", "tradecore.telemetry", "tradecore.testing"}
_AT_HOME = {name: room for room, names in tradecore._ROOMS.items() for name in names}
_CLOSED_ROOMS = {"tradecore.cli", "tradecore.demo", "tradecore.__main__"}


def rooms() -> Iterator[ModuleType]:
    """Yield the modules whose names are public contract, the front door first."""
    yield tradecore
    for found in pkgutil.iter_modules(tradecore.__path__, "tradecore."):
        if found.name in _CLOSED_ROOMS or found.name.split(".")[-1].startswith("_"):
            continue
        room = importlib.import_module(found.name)
        yield room
        if found.name in _OPEN_ROOMS:
            for inner in pkgutil.iter_modules(room.__path__, f"{found.name}."):
                if not inner.name.split(".")[-1].startswith("_"):
                    yield importlib.import_module(inner.name)


def _definition(thing: object) -> ast.AST | None:
    """Return the syntax of a class or a function, without its decorators and body."""
    try:
        source = textwrap.dedent(inspect.getsource(thing))  # type: ignore[arg-type]
        return ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def _call(node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool) -> str:
    """Spell a function's head on one line, without ``self``."""
    arguments = node.args
    if method and not any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list):
        positional = arguments.posonlyargs or arguments.args
        positional[:1] = []
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    colour = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{colour}{node.name}({ast.unparse(arguments)}){answer}"


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    if node.name.startswith("_") and node.name not in ("__init__", "__call__"):
        return None
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    if "overload" in decorators or any(name.endswith((".setter", ".deleter")) for name in decorators):
        return None
    if decorators & {"property", "cached_property"}:
        return f".{node.name}: {ast.unparse(node.returns) if node.returns else '?'}"
    return f".{'classmethod ' if 'classmethod' in decorators else ''}{_call(node, method=True)}"


def _attribute(node: ast.AnnAssign) -> str | None:
    if not isinstance(node.target, ast.Name) or node.target.id.startswith("_"):
        return None
    default = f" = {ast.unparse(node.value)}" if node.value is not None else ""
    return f".{node.target.id}: {ast.unparse(node.annotation)}{default}"


def _kept(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Name the public attributes that a constructor sets, with their types where it says them."""
    for statement in ast.walk(node):
        targets = statement.targets if isinstance(statement, ast.Assign) else ()
        if isinstance(statement, ast.AnnAssign):
            targets = (statement.target,)
        for target in (t for outer in targets for t in (outer.elts if isinstance(outer, ast.Tuple) else [outer])):
            mine = (
                isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
            )
            if mine and not target.attr.startswith("_"):
                said = f": {ast.unparse(statement.annotation)}" if isinstance(statement, ast.AnnAssign) else ""
                yield f".{target.attr}{said}"


def _members(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            yield from sorted(set(_kept(statement)))
        member = None
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            member = _method(statement)
        elif isinstance(statement, ast.AnnAssign):
            member = _attribute(statement)
        if member:
            yield member


def _describe(name: str, thing: object) -> Iterator[str]:
    if isinstance(thing, enum.EnumMeta):
        values = [f"{member.name}={member.value!r}" for member in thing]
        yield f"enum {name}: {' '.join(values)}"
        return
    node = _definition(thing) if isinstance(thing, type) or inspect.isfunction(thing) else None
    if isinstance(thing, type) and isinstance(node, ast.ClassDef):
        yield f"class {name}({', '.join(base.__name__ for base in thing.__bases__ if base is not object)})"
        if issubclass(thing, BaseException):
            yield f"    .code = {getattr(thing, 'code', '-')}  .http_status = {getattr(thing, 'http_status', '-')}"
        yield from (f"    {member}" for member in _members(node))
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield _call(node, method=False)
    else:
        yield f"{name}: {type(thing).__name__}"


def surface() -> str:
    """Return the whole public surface, one room after another."""
    lines: list[str] = [f"# The public contract. Made by: {HOW}"]
    for room in rooms():
        names = sorted(getattr(room, "__all__", ()))
        if not names:
            continue
        lines += ["", room.__name__]
        for name in names:
            if room is tradecore:
                lines.append(f"    {name} = tradecore{_AT_HOME[name]}.{name}")
            else:
                lines += [f"    {line}" for line in _describe(name, getattr(room, name))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        SNAPSHOT.write_text(surface(), encoding="utf-8")
    else:
        sys.stdout.write(surface())
