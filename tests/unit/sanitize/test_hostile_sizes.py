"""No text costs more than its length: the families that are quadratic in an HTML parser, and those of our own."""

from __future__ import annotations

import time
from collections.abc import Callable

import nh3
import pytest
from benchmarks.sanitize import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from tradecore.sanitize import html, markdown, plain
from tradecore.sanitize.bounds import DEEP, is_quick

# Twenty times the budget, which benchmarks/sanitize.py measures: a quadratic way needs more than that for 400 KB.
MOST = 1.2


@pytest.mark.parametrize("clean", [plain, html, markdown])
@pytest.mark.parametrize("family", sorted(HOSTILE))
def test_a_hostile_text_costs_its_length(family: str, clean: Callable[[str], str]) -> None:
    text = HOSTILE[family](400_000)
    began = time.process_time()
    clean(text)
    assert time.process_time() - began < MOST


def test_what_is_called_quick_is_shallow() -> None:
    assert is_quick("<p>x</p>" * 5_000)
    assert is_quick("<div>" * DEEP + "<br>" * 500)
    assert not is_quick("<div>" * 5_000)
    assert not is_quick("<p>x</p>" * 500 + "<!--" + "<p>x</p>" * 500)
    assert not is_quick("<b></i>" * 500)
    assert not is_quick("<p>x</p>" * 500 + "<a" + "".join(f" a{n}" for n in range(1_000)) + ">")
    assert not is_quick('<div title="</div>' * 500)
    assert not is_quick("<textarea><div></textarea></div>" * 500)


ELEMENTS = ["p", "div", "b", "a", "table", "tr", "td", "svg", "select", "li", "button", "form", "h1", "nobr"]


@given(st.lists(st.sampled_from(ELEMENTS), max_size=8))
def test_what_is_called_quick_is_quick(names: list[str]) -> None:
    """However elements in good order are mixed, the parser's time follows the length."""
    piece = "".join(f"<{name} a=1>" for name in names) + "x" + "".join(f"</{name}>" for name in reversed(names))
    text = piece * (60_000 // len(piece))
    assert is_quick(text)
    began = time.process_time()
    nh3.Cleaner(tags=set()).clean(text)
    assert time.process_time() - began < MOST
