"""The public surface does not change unseen: docs/api.txt is what the code offers."""

from __future__ import annotations

import difflib

from tests import api_snapshot


def test_the_public_surface_is_the_one_that_was_reviewed():
    kept = api_snapshot.SNAPSHOT.read_text(encoding="utf-8").splitlines()
    offered = api_snapshot.surface().splitlines()
    drift = "\n".join(difflib.unified_diff(kept, offered, "docs/api.txt", "the code", lineterm="", n=1))
    assert not drift, f"the public surface changed; if that is meant: {api_snapshot.HOW}\n{drift}"
