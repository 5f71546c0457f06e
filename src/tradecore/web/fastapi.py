"""The door for FastAPI: ``install(app, core)``, and ``Core`` for routes that want the core handed in.

::

    app = FastAPI(lifespan=core.lifespan)
    install(app, core)

    @app.post("/api/v1/signals", status_code=202)
    async def receive(request: Request) -> Receipt:
        return await core.accept(await request.body())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Unpack

from ..errors import ConfigurationError
from . import starlette
from .options import Guarded, Options
from .problems import validation_problem
from .starlette import limited

try:
    from fastapi import Depends, Request, Response
    from fastapi.exceptions import RequestValidationError
    from pydantic import BaseModel, Field
except ImportError as missing:
    raise ConfigurationError("this door needs FastAPI: pip install 'tradecore[fastapi]'") from missing

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["Core", "ErrorEnvelope", "install", "limited"]


class ErrorEnvelope(BaseModel):
    """What every error looks like on the wire; the schema that the API's documentation shows."""

    code: str = Field(description="The machine's word for it.", examples=["VALIDATION_ERROR"])
    message: str = Field(description="One sentence for a person.")
    details: list[dict[str, Any]] = Field(description="Particulars; never an input value.")
    requestId: str | None = Field(description="Quote it: the log knows more under it.")  # noqa: N815  (the wire's name)


def install(app: FastAPI, core: Guarded, **options: Unpack[Options]) -> None:
    """Put the door in front of ``app``: context, errors, gate, body limit, health pages.

    Called before the routes are declared, it puts the envelope into the API's documentation. ``app.state.tradecore``
    is the core then. Handlers that the application registered for its own errors before are kept. The core is opened
    by ``FastAPI(lifespan=core.lifespan)``.

    Args:
        app: the application, before its first request.
        core: the core it stands on.
        options: see :class:`~tradecore.web.options.Options`.

    Raises:
        ConfigurationError: for wrong options, a second installation, or an application that serves already.
    """
    starlette.install(app, core, **options)
    starlette.answer_errors(app, {RequestValidationError: _invalid})
    app.router.responses.setdefault("default", {"model": ErrorEnvelope, "description": "Error"})


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return starlette.problem_response(request, validation_problem(error.errors()))


def _core(request: Request) -> Any:
    return request.app.state.tradecore


Core: TypeAlias = Annotated[Any, Depends(_core)]
