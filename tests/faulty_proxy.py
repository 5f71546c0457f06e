"""A TCP proxy in front of a real server: slow, dead, deaf, or answering like a replica, when the test says so."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

REPLICA = b"-READONLY You can't write against a read only replica.\r\n"


class FaultyProxy:
    """Forwards bytes to ``target`` unless it has a fault.

    Args:
        target: host and port of the server.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.delay = 0.0
        self.deaf = False
        self.replica = False
        self._healed = threading.Event()
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = 0
        self.begin()

    def begin(self) -> None:
        """Listen, on the port of before if there was one."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def die(self) -> None:
        """Refuse connections and drop those there are."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.drop()

    def drop(self) -> None:
        """Drop every connection, as a restarted server does."""
        with self._lock:
            connections, self._connections = self._connections, []
        for one in connections:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def heal(self) -> None:
        """Be a good proxy again."""
        self.delay, self.deaf, self.replica = 0.0, False, False
        self._healed.set()
        if self._listener is None:
            self.begin()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            with self._lock:
                self._connections += [client, server]
            for source, sink, asks in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._forward, args=(source, sink, asks), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if asks and self.deaf:
                    continue
                if asks and self.delay:
                    self._healed.clear()
                    self._healed.wait(self.delay)
                if asks and self.replica and (b"EVALSHA" in data or b"EVAL" in data):
                    source.sendall(REPLICA)
                    continue
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
