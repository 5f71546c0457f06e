"""Every Python block of every document runs, in order, as a reader would type it; links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from sybil.document import Document
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser
from tests import house

DOCUMENTS = [path for path in house.texts() if path.suffix == ".md" and "rooms" not in path.parts]
WITH_CODE = [path for path in DOCUMENTS if "```python" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_CODE, ids=house.shown)
def test_the_blocks_of_a_document_run(path: Path, tmp_path, monkeypatch):
    document = Document.parse(str(path), PythonCodeBlockParser(), SkipParser())
    monkeypatch.chdir(tmp_path)  # what a block writes stays out of the project
    monkeypatch.setenv("APCA_API_KEY_ID", "any")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "any")
    document.namespace["__name__"] = __name__  # Flask asks the module for its place
    examples = list(document.examples())
    assert examples
    for example in examples:
        example.evaluate()


@pytest.mark.parametrize("path", DOCUMENTS, ids=house.shown)
def test_links_between_documents_lead_somewhere(path: Path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target


def test_every_promise_names_a_test_that_exists():
    readme = (house.ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", readme)
    assert len(named) >= 10
    for test, path in named:
        assert test in {node.name for node in house.functions(house.ROOT / path)}, test


def test_what_a_document_imports_has_a_page_in_the_reference():
    sys.path.insert(0, str(place := house.ROOT / "docs" / "_ext"))
    try:
        spec = importlib.util.spec_from_file_location("rooms_pages", place / "rooms.py")
        pages = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(pages)
    finally:
        sys.path.remove(str(place))
    known = {room.__name__ for room in pages.rooms()} | set(pages.SHELVES)
    texts = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    used = {name for text in texts for name in re.findall(r"^\s*from (tradecore[\w.]*) import", text, re.M)}
    assert "tradecore.db.partitions" in used
    assert used <= known
