"""Fresh databases for tests: each has a name of its own, and is dropped at the end.

``database_url`` runs a test once on each kind; ``shared_database_url`` on those that several connections and processes
can share; ``fresh_database(kind, directory)`` is the plain form.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from tests.services import service

from tradecore.db.engines import parse_url

SHARED = ("sqlite", "postgres", "mysql")
KINDS = ("memory", *SHARED)


def _marked(kinds: tuple[str, ...]) -> list[object]:
    return [
        pytest.param(kind, marks=pytest.mark.service) if kind in ("postgres", "mysql") else pytest.param(kind)
        for kind in kinds
    ]


@contextmanager
def fresh_database(kind: str, directory: Path) -> Iterator[str]:
    """Yield the URL of a new, empty database: ``memory``, ``sqlite`` (a file), ``postgres`` or ``mysql``."""
    if kind == "memory":
        yield "sqlite://"
    elif kind == "sqlite":
        yield f"sqlite:///{directory / f'{secrets.token_hex(4)}.db'}"
    else:
        with _on_server(service(kind)) as url:
            yield url


@contextmanager
def _on_server(address: str) -> Iterator[str]:
    name = f"tradecore_test_{secrets.token_hex(6)}"
    _, dialled = parse_url(address, asynchronous=False)
    engine = create_engine(dialled, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    postgres = dialled.get_backend_name() == "postgresql"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield urlunsplit(urlsplit(address)._replace(path=f"/{name}"))
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}{' WITH (FORCE)' if postgres else ''}"))
        engine.dispose()


@pytest.fixture(params=_marked(KINDS))
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, of each kind in turn."""
    with fresh_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture(params=_marked(SHARED))
def shared_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database that several processes can share, of each kind in turn."""
    with fresh_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty SQLite file."""
    with fresh_database("sqlite", tmp_path) as url:
        yield url


@pytest.fixture
def postgres_url(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with fresh_database("postgres", tmp_path) as url:
        yield url


@pytest.fixture
def mysql_url(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty MySQL or MariaDB database."""
    with fresh_database("mysql", tmp_path) as url:
        yield url
