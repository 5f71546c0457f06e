"""The door for Flask: ``init_app(app, core)``.

::

    app = Flask(__name__)
    init_app(app, core)

    @app.post("/api/v1/signals")
    def receive():
        return core.accept(request.get_data()).as_dict(), 202
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, Unpack, cast

from ..context import current_context
from ..errors import ConfigurationError, TradeCoreError
from .limits import Key, as_key, spend, whoever
from .options import Guarded, Options
from .problems import OUR_FAULT, Problem, log_problem, problem_of
from .wsgi import Door

try:
    from flask import current_app, request
    from werkzeug.exceptions import HTTPException
    from werkzeug.wrappers import Response
except ImportError as missing:
    raise ConfigurationError("this door needs Flask: pip install 'tradecore[flask]'") from missing

if TYPE_CHECKING:
    from flask import Flask

    from ..resilience import Quotas

__all__ = ["OpenedHere", "init_app", "limited"]

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("tradecore.web")


class OpenedHere(Guarded, Protocol):
    """A core that this door opens and closes."""

    wants_worker: bool

    def open(self) -> Any:
        """Open it."""

    def start_worker(self) -> Any:
        """Start its embedded worker; called where it wants one."""

    def close(self) -> Any:
        """Close it."""


def init_app(app: Flask, core: OpenedHere, **options: Unpack[Options]) -> None:
    """Put the door in front of ``app``: context, errors, gate, body limit, health pages.

    The core is opened, and its worker started, at the process's first request (liveness aside), so that a server may
    import the application and fork after it; it is closed when that process ends. ``app.extensions["tradecore"]`` is
    the core. Where Flask propagates exceptions (debugging, testing), the door does, too.

    Args:
        app: the application.
        core: the core it stands on.
        options: see :class:`~tradecore.web.options.Options`.

    Raises:
        ConfigurationError: for wrong options, an async core, or a second installation.
    """
    if "tradecore" in app.extensions:
        raise ConfigurationError("tradecore is already installed in this application")

    def propagates() -> bool:
        wanted = app.config["PROPAGATE_EXCEPTIONS"]
        return bool(app.testing or app.debug if wanted is None else wanted)

    # Assigning wsgi_app is Flask's own idiom for middleware: the application object stays what it is.
    vars(app)["wsgi_app"] = Door(app.wsgi_app, core, reraise=propagates, before=_Opening(core), **options)
    app.extensions["tradecore"] = core
    app.register_error_handler(TradeCoreError, _known)
    app.register_error_handler(HTTPException, _http)


def limited(
    quotas: Quotas, name: str, *, key: Callable[[], Key] | None = None, cost: int = 1
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a request reach a view if its quota has room, else answer 429; it goes below ``@app.route``.

    ::

        @app.post("/api/v1/broker/connect")
        @limited(quotas, "broker.connect", key=lambda: g.user.id)
        def connect(): ...

    Args:
        quotas: what decides.
        name: which of its quotas.
        key: whose it is; the context's actor, or the address, when left out.
        cost: how many units a request is worth.

    Raises:
        ConfigurationError: if there is no such quota.
        ValueError: if ``cost`` never passes.
    """
    quotas.check(name, cost)

    def before(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            parts = as_key(whoever() if key is None else key())
            spend(request.environ, quotas.hit(name, *parts, cost=cost))
            return cast(R, current_app.ensure_sync(view)(*args, **kwargs))

        return asked

    return before


class _Opening:
    """Opens the core once in a process, at its first request, and closes it at the process's end."""

    def __init__(self, core: OpenedHere) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._process = os.getpid() if core.is_open else None

    def __call__(self) -> None:
        process = os.getpid()
        if self._process == process:
            return
        with self._lock:
            if self._process == process:
                return
            if self._process is not None:  # its connections and its worker are the parent's
                raise ConfigurationError("the core was opened before this process was forked: let the fork open it")
            if not self._core.is_open:
                self._core.open()
                if self._core.wants_worker:
                    self._core.start_worker()
                atexit.register(self._close, process)
            self._process = process

    def _close(self, process: int) -> None:
        if os.getpid() == process:
            self._core.close()


def _response(problem: Problem) -> Response:
    answer = problem.answer(current_context().request_id, request.headers.get("Accept", ""))
    return Response(answer.body, answer.status, list(answer.headers))


def _known(error: TradeCoreError) -> Response:
    log_problem(error, current_context().request_id)
    return _response(problem_of(error))


def _http(error: HTTPException) -> Response | HTTPException:
    original = getattr(error, "original_exception", None)
    if original is not None:  # Flask has logged it whole, but does not know the id the client was told
        _log.error("request %s failed: %s", current_context().request_id, type(original).__name__)
        return _response(OUR_FAULT)
    if error.response is not None or error.code is None or error.code < 400:  # made by hand, or a redirect
        return error
    described: Any = error.description  # text by its type, anything JSON by custom: abort(400, {...})
    details = [described] if isinstance(described, Mapping) else []
    message = described if isinstance(described, str) else None
    return _response(Problem.of_status(error.code, message, details, error.get_headers()))
