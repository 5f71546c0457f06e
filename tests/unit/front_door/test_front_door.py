"""The front door: a couple of dozen names, opened when touched, nothing third-party before that."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from tests.house import PACKAGE

import tradecore


def fresh(program):
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def test_importing_tradecore_loads_no_third_party_module():
    loaded = fresh(
        "import sys, json; before = set(sys.modules); import tradecore;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    roots = {name.split(".")[0] for name in loaded}
    assert {root for root in roots if root not in sys.stdlib_module_names} == {"tradecore"}
    assert {name for name in loaded if name.startswith("tradecore")} == {"tradecore", "tradecore._lazy"}


@pytest.mark.parametrize(
    ("room", "absent"),
    [
        ("tradecore.errors", ["pydantic", "sqlalchemy", "httpx2"]),
        ("tradecore.flow", ["pydantic", "sqlalchemy", "httpx2"]),
        ("tradecore.trading", ["sqlalchemy", "httpx2", "structlog"]),
        ("tradecore.testing.plugin", ["tradecore.core", "pydantic", "sqlalchemy"]),
    ],
)
def test_a_room_brings_in_no_more_than_it_stands_on(room, absent):
    loaded = fresh(f"import sys, json; import {room}; print(json.dumps(sorted(sys.modules)))")
    assert not set(absent) & set(loaded)


def test_what_checkers_see_is_what_the_table_opens():
    source = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in source.body if isinstance(node, ast.If))
    seen = {
        f".{node.module}": tuple(sorted(alias.name for alias in node.names))
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
    }
    assert seen == {room: tuple(sorted(names)) for room, names in tradecore._ROOMS.items()}
    assert sorted(name for names in seen.values() for name in names) == sorted(tradecore.__all__)


@pytest.mark.parametrize("name", tradecore.__all__)
def test_every_name_opens_and_stays_open(name):
    thing = getattr(tradecore, name)
    assert getattr(tradecore, name) is thing
    assert vars(tradecore)[name] is thing


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = tradecore.Nothing
    with pytest.raises(ImportError):
        exec("from tradecore import Nothing")


def test_dir_shows_the_public_names():
    assert dir(tradecore) == sorted([*tradecore.__all__, "__version__"])


def test_a_star_import_brings_what_is_public():
    namespace = {}
    exec("from tradecore import *", namespace)
    assert set(tradecore.__all__) <= set(namespace)


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert tradecore.__version__ == version("tradecore")
