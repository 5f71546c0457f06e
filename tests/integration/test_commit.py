"""What a unit of work says when its connection dies: before COMMIT it is run again, during COMMIT nobody can tell."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Mapped
from tests.databases import fresh_database

from tradecore.db import AsyncDatabase, Base, Database
from tradecore.errors import CommitUnknown

pytestmark = pytest.mark.service


class Mark(Base):
    __tablename__ = "test_marks"

    number: Mapped[int]


class CuttingProxy:
    """Stands before a server and cuts the connection at a word: before it arrives there, or after it did its work."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._word, self._arrives = b"", False
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, word: bytes, *, arrives: bool) -> None:
        """Cut once at ``word``; if it ``arrives``, the server's answer is swallowed."""
        self._word, self._arrives = word, arrives

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        answered = threading.Event()
        deaf = threading.Event()
        with client, socket.create_connection(self._target) as server:
            threading.Thread(target=self._answers, args=(server, client, deaf, answered), daemon=True).start()
            with suppress(OSError):
                while (data := client.recv(65536)) and not (self._word and self._word in data):
                    server.sendall(data)
                if data:
                    self._word, self.cuts = b"", self.cuts + 1
                    if self._arrives:
                        deaf.set()
                        server.sendall(data)
                        answered.wait(5)
            for end in (client, server):  # close() alone does not end a connection another thread reads from
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _answers(self, server, client, deaf, answered) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if deaf.is_set():
                    answered.set()
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def _behind_a_proxy(kind, directory) -> Iterator[tuple[str, str, CuttingProxy]]:
    with fresh_database(kind, directory) as url:
        parts = urlsplit(url)
        proxy = CuttingProxy((parts.hostname, parts.port))
        user = f"{parts.username}@" if parts.username else ""
        try:
            yield url, urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}")), proxy
        finally:
            proxy.close()


@pytest.fixture(params=["postgres", "mysql"])
def places(request, tmp_path):
    with _behind_a_proxy(request.param, tmp_path) as found:
        with Database(found[0]) as direct:
            Base.metadata.create_all(direct.engine, tables=[Mark.__table__])
        yield found


def _mark(session, number):
    session.add(Mark(number=number))


def _count(session):
    return session.scalar(select(func.count()).select_from(Mark))


@pytest.mark.parametrize("arrives", [False, True])
def test_a_connection_lost_during_commit_is_commit_unknown_and_not_tried_again(places, arrives):
    direct_url, proxied_url, proxy = places
    calls = []
    with Database(proxied_url) as db, Database(direct_url) as direct:
        db.run(_count)
        proxy.cut(b"COMMIT", arrives=arrives)

        def unit(session):
            calls.append(1)
            _mark(session, 1)

        with pytest.raises(CommitUnknown):
            db.run(unit)
        assert proxy.cuts == 1
        assert len(calls) == 1
        assert direct.run(_count) == int(arrives)  # indeed: nobody could tell
        db.run(_mark, 2)  # and the pool has recovered
        assert direct.run(_count) == int(arrives) + 1


def test_a_connection_lost_before_commit_is_another_try(places):
    direct_url, proxied_url, proxy = places
    with Database(proxied_url) as db, Database(direct_url) as direct:
        db.run(_count)
        proxy.cut(b"INSERT INTO test_marks", arrives=True)
        db.run(_mark, 1)
        assert proxy.cuts == 1
        assert direct.run(_count) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("arrives", [False, True])
async def test_the_same_for_the_async_database(places, arrives):
    _, proxied_url, proxy = places
    async with AsyncDatabase(proxied_url) as db:
        await db.run(_count)
        proxy.cut(b"COMMIT", arrives=arrives)
        with pytest.raises(CommitUnknown):
            await db.run(_mark, 1)
        assert await db.run(_count) == int(arrives)


def test_a_server_that_ends_the_session_during_commit_is_commit_unknown(postgres_url):
    with Database(postgres_url) as db:
        Base.metadata.create_all(db.engine, tables=[Mark.__table__])
        with db.engine.begin() as connection:
            connection.execute(
                text(
                    "CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$"
                )
            )
            connection.execute(
                text(
                    "CREATE CONSTRAINT TRIGGER end_it AFTER INSERT ON test_marks "
                    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION end_it()"
                )
            )
        with pytest.raises(CommitUnknown):
            db.run(_mark, 1)
        assert db.run(_count) == 0


def test_a_commit_the_server_refuses_is_no_riddle(postgres_url):
    with Database(postgres_url) as db:
        with db.engine.begin() as connection:
            connection.execute(text("CREATE TABLE late (n INT UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        from tradecore.errors import UniqueViolation

        with pytest.raises(UniqueViolation):
            db.run(lambda session: session.execute(text("INSERT INTO late VALUES (1), (1)")))
