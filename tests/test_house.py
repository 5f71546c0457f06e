"""The house rules, measured: sizes, names, floors. A rule that no test holds is a wish."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from statistics import median

import pytest
from importlinter.cli import lint_imports
from tests import house

# Long for a reason, one line each: the reason. Pure data only.
EXEMPT_FILES: dict[str, str] = {}

# Names that another library's interface dictates.
DICTATED = {"process_bind_param", "process_result_value", "process_literal_param"}

_EMPTY_MODULES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
_EMPTY_VERBS = {"process", "handle", "manage"}
_EMPTY_NOUNS = {"Manager", "Helper", "Helpers", "Utils", "Util", "Handler", "Processor"}
_STANDARD_LIBRARY_ONLY = ("errors", "_lazy.py", "flow.py", "context.py", "clock.py", "hooks.py", "redact.py")
_LOOPS_OF_THEIR_OWN = ("cli", "demo", "simulators", "testing")

# No path of anybody's machine, no note that readers of the project do not have.
_FOREIGN = re.compile(
    r"(?<![\w.:/$}*-])/(?:home|root|Users|work|mnt)/\w|\b(?:design|primitives|domain|style)(?:\.md| §)"
)
_POSTPONED = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X)\b")


def test_no_file_is_too_long():
    too_long = [s for s in house.file_sizes() if s.lines > house.MOST_LINES_OF_A_FILE and s.where not in EXEMPT_FILES]
    assert not too_long


def test_no_function_is_too_long():
    assert not [size for size in house.function_sizes() if size.lines > house.MOST_LINES_OF_A_FUNCTION]


def test_the_median_file_and_function_stay_small(record_property):
    files = median(size.lines for size in house.file_sizes("src"))
    functions = median(size.lines for size in house.function_sizes("src"))
    record_property("median_file", files)
    record_property("median_function", functions)
    assert files <= 150
    assert functions <= 12, house.report()


def test_every_module_says_in_its_first_sentence_what_lives_there():
    silent = [house.shown(path) for path in house.sources("src") if not ast.get_docstring(house.tree(path))]
    assert not silent


def _is_empty(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name.lstrip("_").split("_")[0] in _EMPTY_VERBS and node.name not in DICTATED
    if isinstance(node, ast.ClassDef):
        return bool(_EMPTY_NOUNS & set(re.findall(r"[A-Z][a-z0-9]*", node.name)[-1:]))
    return False


def test_names_mean_something():
    empty = [house.shown(path) for path in house.sources() if path.stem in _EMPTY_MODULES]
    for path in house.sources("src"):
        empty += [f"{house.shown(path, node)} {node.name}" for node in ast.walk(house.tree(path)) if _is_empty(node)]
    assert not empty


def test_words_are_the_fields_own():
    foreign = []
    for path in house.sources("src"):
        for node in ast.walk(house.tree(path)):
            names = []
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = [node.name, *(argument.arg for argument in arguments)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            foreign += [f"{house.shown(path, node)} {name}" for name in names if re.search(r"qty|cancelled", name)]
    assert not foreign, "quantity, never qty; canceled, one l"


def test_nothing_names_a_place_or_a_note_that_readers_do_not_have():
    named = []
    for path in house.texts():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if _FOREIGN.search(line):
                named.append(f"{house.shown(path)}:{number} {line.strip()[:80]}")
    assert not named


def test_nothing_is_postponed():
    left = []
    for path in house.sources():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if _POSTPONED.search(line):
                left.append(f"{house.shown(path)}:{number}")
    for path in house.sources("src"):
        raised = [node for node in ast.walk(house.tree(path)) if isinstance(node, ast.Raise) and node.exc]
        left += [house.shown(path, node) for node in raised if "NotImplementedError" in ast.dump(node)]
    assert not left


def test_no_test_waits_for_luck_or_is_switched_off():
    found = []
    for path in house.sources("tests"):
        for node in ast.walk(house.tree(path)):
            name = house.dotted(node.func) if isinstance(node, ast.Call) else house.dotted(node)
            if (isinstance(node, ast.Call) and name == "time.sleep") or name in (
                "pytest.mark.skip",
                "pytest.mark.xfail",
                "pytest.xfail",
            ):
                found.append(f"{house.shown(path, node)} {name}")
    assert not found


def test_the_library_starts_no_event_loop_of_its_own():
    found = []
    for path in house.sources("src"):
        if path.relative_to(house.PACKAGE).parts[0] not in _LOOPS_OF_THEIR_OWN:
            calls = [node for node in ast.walk(house.tree(path)) if isinstance(node, ast.Call)]
            found += [
                house.shown(path, call) for call in calls if house.dotted(call.func) in ("asyncio.run", "anyio.run")
            ]
    assert not found


def _imports(path):
    """Yield the absolute top-level names a file imports, except for type checkers only."""
    guarded = set()
    for node in ast.walk(house.tree(path)):
        if isinstance(node, ast.If) and house.dotted(node.test).endswith("TYPE_CHECKING"):
            guarded.update(id(inner) for statement in node.body for inner in ast.walk(statement))
    for node in ast.walk(house.tree(path)):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("room", _STANDARD_LIBRARY_ONLY)
def test_the_ground_floor_stands_on_the_standard_library(room):
    place = house.PACKAGE / room
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    assert files
    imported = {(house.shown(path), name) for path in files for name in _imports(path)}
    assert not [pair for pair in imported if pair[1] not in sys.stdlib_module_names]


def test_imports_only_go_downstairs(monkeypatch):
    monkeypatch.chdir(house.ROOT)
    # It would configure logging for the whole process and switch every other logger off, under the tests that follow.
    monkeypatch.setattr("importlinter.cli._configure_logging", lambda verbose: None)
    assert lint_imports(config_filename=str(house.ROOT / "pyproject.toml"), no_logo=True, no_cache=True) == 0


def test_a_newcomers_two_lines_stand_in_the_readme():
    readme = (house.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    lines = [line for line in readme if line.startswith("$ python3 -m venv ")]
    assert lines == [
        "$ python3 -m venv .venv && .venv/bin/pip install -qe '.[demo]' && .venv/bin/tradecore demo",
        "$ python3 -m venv .venv && .venv/bin/pip install -qe '.[test]' && .venv/bin/pytest -q",
    ]


def test_the_ci_script_is_valid_bash():
    subprocess.run(["bash", "-n", str(house.ROOT / ".ci" / "run")], check=True, capture_output=True)
