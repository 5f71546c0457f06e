"""What every test shares."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from tests.databases import database_url, mysql_url, postgres_url, shared_database_url, sqlite_url  # noqa: F401
from tests.flows.tally import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown  # noqa: F401  (hooks)
from tests.services import pytest_collection_modifyitems, pytest_runtest_makereport  # noqa: F401  (hooks)

# The ordinary run is the same every time; HYPOTHESIS_PROFILE=search looks for new examples (`nox -s chaos`).
settings.register_profile("ordinary", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary"))


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, the loop the drivers are made for."""
    return "asyncio"
