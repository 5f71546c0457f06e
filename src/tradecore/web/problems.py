"""Errors on the wire, in two spellings: ``{code, message, details, requestId}`` and problem+json (RFC 9457)."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from ..errors import InvalidInput, TradeCoreError
from ..redact import redact_text
from ..sanitize import log_value

__all__ = [
    "OUR_FAULT",
    "Answer",
    "PayloadTooLarge",
    "Problem",
    "log_problem",
    "prefers",
    "problem_of",
    "validation_problem",
]

_log = logging.getLogger("tradecore.web")

PROBLEM_JSON = "application/problem+json"
_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
}
# pydantic writes the offending tag into this one's message; a value never goes back out.
_RETOLD = {"union_tag_invalid": "the tag is none of the expected ones"}
_LONGEST_NAME = 128
# What an answer says of its own body; a framework's error may bring its page's.
_OURS = ("content-type", "content-length", "cache-control", "vary", "x-request-id")


class PayloadTooLarge(InvalidInput):
    """The request's body is too large."""

    code = "PAYLOAD_TOO_LARGE"
    http_status = 413


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response, as data: what the ASGI and the WSGI door send when they answer themselves."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def json(
        cls, status: int, content: Any, media_type: str = "application/json", headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """Make an answer of JSON ``content``; never stored by caches."""
        body = json.dumps(content, separators=(",", ":"), ensure_ascii=False, default=str).encode("utf-8", "replace")
        given = [(name.lower(), value) for name, value in headers]
        usual = [("content-type", media_type), ("content-length", str(len(body))), ("cache-control", "no-store")]
        return cls(status, (*usual, *(pair for pair in given if pair not in usual)), body)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a client may see it.

    Attributes:
        status: the HTTP status.
        code: the machine's word, such as ``NOT_FOUND``.
        message: one sentence for a person.
        details: particulars, each a small mapping; never an input value.
        headers: headers that belong to it, such as Allow or Retry-After.
    """

    status: int
    code: str
    message: str
    details: tuple[Mapping[str, Any], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_status(
        cls,
        status: int,
        message: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Iterable[tuple[str, str]] = (),
    ) -> Problem:
        """Make the problem of a plain HTTP status; the code is the status' own name where it has no other."""
        code = _CODES.get(status) or _phrase(status).upper().replace(" ", "_").replace("-", "_").replace("'", "")
        kept = tuple((name, value) for name, value in headers if name.lower() not in _OURS)
        return cls(status, code, message or _phrase(status), tuple(details), kept)

    def answer(self, request_id: str | None, accept: str = "") -> Answer:
        """Return the response: problem+json where ``accept`` prefers it, else the envelope.

        Args:
            request_id: the request's id; its header is the door's affair.
            accept: the request's Accept header.
        """
        envelope = {
            "code": self.code,
            "message": self.message,
            "details": [dict(detail) for detail in self.details],
            "requestId": request_id,
        }
        headers = [("vary", "accept"), *self.headers]
        if not prefers(accept, PROBLEM_JSON):
            return Answer.json(self.status, envelope, headers=headers)
        problem = {"type": "about:blank", "title": _phrase(self.status), "status": self.status, "detail": self.message}
        if request_id:
            problem["instance"] = f"urn:request:{request_id}"
        return Answer.json(self.status, problem | envelope, PROBLEM_JSON, headers)

    def closing(self) -> Problem:
        """Return it with ``Connection: close``: what is left of the request will not be read."""
        return replace(self, headers=(*self.headers, ("connection", "close")))


OUR_FAULT = Problem(500, "INTERNAL_ERROR", "Something went wrong on our side; quote the request id.")


def problem_of(error: Exception) -> Problem:
    """Return what a client may know of ``error``; :func:`log_problem` keeps the rest.

    An error of tradecore shows its code, message and details, but one that is the service's own fault (status 500:
    its set-up, its keys) shows only the code and what the code means. Any other exception is ``INTERNAL_ERROR``.
    """
    if not isinstance(error, TradeCoreError):
        return OUR_FAULT
    if error.http_status == 500:
        return Problem(500, error.code, (type(error).__doc__ or error.code).strip().splitlines()[0])
    message = redact_text(error.message)
    return Problem(error.http_status, error.code, message, error.details, _later(error.retry_after))


def log_problem(error: Exception, request_id: str | None) -> None:
    """Log what a client may not know, under the id it was told: our own faults whole, others' in a line."""
    if not isinstance(error, TradeCoreError):
        _log.error("request %s failed", request_id, exc_info=error)
    elif error.http_status == 500:
        _log.error(
            "request %s failed: %s: %s", request_id, error.code, log_value(redact_text(error.message)), exc_info=error
        )
    elif error.http_status > 500:
        _log.warning("request %s: %s: %s", request_id, error.code, log_value(redact_text(error.message)))


def _later(seconds: float | None) -> tuple[tuple[str, str], ...]:
    if seconds is None or not math.isfinite(seconds):
        return ()
    return (("retry-after", str(max(0, math.ceil(seconds)))),)  # never earlier than it makes sense


def validation_problem(errors: Sequence[Mapping[str, Any]], located: bool = True) -> Problem:
    """Return the problem of pydantic's report: location, field, code and message of each, and no value.

    Args:
        errors: what ``ValidationError.errors()`` gave.
        located: whether the first step of each ``loc`` says where the field was (body, query, path, ...).
    """
    details = []
    for item in errors:
        location, *path = [str(step)[:_LONGEST_NAME] for step in item.get("loc", ())] or [""]
        if not located:
            location, path = "body", [location, *path]
        code = str(item.get("type", "invalid"))
        message = _RETOLD.get(code) or str(item.get("msg", "is not valid")).removeprefix("Value error, ")
        details.append({"location": location, "field": ".".join(path), "code": code, "message": message})
    shown = "; ".join(f"{detail['field'] or detail['location']}: {detail['message']}" for detail in details[:5])
    return Problem(422, "VALIDATION_ERROR", shown or "The input is not valid.", tuple(details))


def prefers(accept: str, wanted: str, usual: str = "application/json") -> bool:
    """Return whether ``accept`` names ``wanted`` and likes it no less than ``usual``.

    A wildcard asks for nothing in particular, so it never chooses ``wanted``; RFC 9110 §12.5.1 otherwise.
    """
    if wanted not in accept.lower():
        return False
    qualities = _qualities(accept)
    quality = qualities.get(wanted, 0.0)
    for pattern in (usual, usual.partition("/")[0] + "/*", "*/*"):
        if pattern in qualities:
            return quality > 0 and quality >= qualities[pattern]
    return quality > 0


def _qualities(accept: str) -> dict[str, float]:
    qualities: dict[str, float] = {}
    for item in accept.split(","):
        name, *parameters = [part.strip().lower() for part in item.split(";")]
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = min(1.0, max(0.0, float(parameter[2:])))
                except ValueError:
                    quality = 0.0
        qualities[name] = quality
    return qualities
