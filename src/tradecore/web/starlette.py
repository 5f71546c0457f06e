"""The door for Starlette, and the ground of FastAPI's: ``install(app, core)``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Unpack

from ..context import current_context
from ..errors import ConfigurationError, TradeCoreError
from .asgi import Door
from .limits import Key, as_key, spend, whoever
from .options import Guarded, Options
from .problems import Problem, log_problem, problem_of

try:
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import Response
except ImportError as missing:
    raise ConfigurationError("this door needs Starlette: pip install 'tradecore[fastapi]'") from missing

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from ..resilience import Decision, Quotas

__all__ = ["install", "limited", "problem_response"]


def limited(
    quotas: Quotas,
    name: str,
    *,
    key: Callable[[Request], Key | Awaitable[Key]] | None = None,
    cost: int = 1,
) -> Callable[[Request], Awaitable[Decision]]:
    """Return what lets a request pass if its quota has room: a dependency of FastAPI, elsewhere to be awaited.

    ::

        @app.post("/api/v1/broker/connect", dependencies=[Depends(limited(quotas, "broker.connect"))])

    It answers with the decision, or raises :class:`~tradecore.errors.RateLimited`, which becomes a 429.

    Args:
        quotas: what decides.
        name: which of its quotas.
        key: whose it is, from the request, plain or as a coroutine; the context's actor, or the address, if left out.
        cost: how many units a request is worth.

    Raises:
        ConfigurationError: if there is no such quota.
        ValueError: if ``cost`` never passes.
    """
    quotas.check(name, cost)

    async def spent(request: Request) -> Decision:
        whose = whoever() if key is None else key(request)
        parts = as_key(await whose if isawaitable(whose) else whose)
        return spend(request.scope, await quotas.ahit(name, *parts, cost=cost))

    return spent


def install(app: Starlette, core: Guarded, **options: Unpack[Options]) -> None:
    """Put the door in front of ``app``: context, errors, gate, body limit, health pages.

    ``app.state.tradecore`` is the core then. Handlers that the application registered for its own errors before are
    kept. The core is opened by ``lifespan=core.lifespan``.

    Args:
        app: the application, before its first request.
        core: the core it stands on.
        options: see :class:`~tradecore.web.options.Options`.

    Raises:
        ConfigurationError: for wrong options, a second installation, or an application that serves already.
    """
    if getattr(app.state, "tradecore", None) is not None:
        raise ConfigurationError("tradecore is already installed in this application")
    if app.middleware_stack is not None:
        raise ConfigurationError("install tradecore before the application's first request")
    door, build = Door(_nowhere, core, **options), app.build_middleware_stack

    # Outside ServerErrorMiddleware, where add_middleware cannot reach: a 500 of its making needs its id too.
    def build_behind_the_door() -> Door:
        door.app = build()
        return door

    app.state.tradecore = core
    vars(app)["build_middleware_stack"] = build_behind_the_door
    answer_errors(app, {TradeCoreError: _known, HTTPException: _http, Exception: _unknown})


def answer_errors(app: Starlette, handlers: Mapping[type[Exception], Callable[..., Any]]) -> None:
    """Register ``handlers``, except where the application has one of its own."""
    for kind, handler in handlers.items():
        present = app.exception_handlers.get(kind)
        if present is None or present.__module__.partition(".")[0] in ("starlette", "fastapi"):
            app.add_exception_handler(kind, handler)


def problem_response(request: Request, problem: Problem) -> Response:
    """Return ``problem`` as a response, in the spelling that ``request`` prefers."""
    answer = problem.answer(current_context().request_id, request.headers.get("accept", ""))
    response = Response(answer.body, answer.status)
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    return response


async def _known(request: Request, error: TradeCoreError) -> Response:
    log_problem(error, current_context().request_id)
    return problem_response(request, problem_of(error))


async def _http(request: Request, error: HTTPException) -> Response:
    headers = list((error.headers or {}).items())
    if error.status_code < 400:  # raised to redirect, or to say 204
        return Response(status_code=error.status_code, headers=dict(headers))
    return problem_response(request, problem_of_detail(error.status_code, error.detail, headers))


async def _unknown(request: Request, error: Exception) -> Response:
    return problem_response(request, problem_of(error))  # it is raised on, and logged by the door


def problem_of_detail(status: int, detail: Any, headers: list[tuple[str, str]]) -> Problem:
    """Return the problem of an HTTPException: its detail is a sentence, or particulars."""
    if isinstance(detail, str):
        return Problem.of_status(status, detail, headers=headers)
    items = detail if isinstance(detail, list | tuple) else [] if detail is None else [detail]
    particulars = [item if isinstance(item, Mapping) else {"message": str(item)} for item in items]
    return Problem.of_status(status, None, particulars, headers)


async def _nowhere(*_: object) -> None:
    raise RuntimeError("the application behind the door is built at its first request")
