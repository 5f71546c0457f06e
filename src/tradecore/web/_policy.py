"""What both doors share: the house rules for a request, the gate, and the health pages. No framework, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError, Draining
from ..health.report import Kind, Report
from ._arrival import Networks, networks
from ._carrying import Carrier
from .options import Guarded
from .problems import Answer, Problem, prefers

__all__ = [
    "DISCARD_FOR",
    "DISCARD_TIMES",
    "DRAINING",
    "PAGES_ARE_READ",
    "Gate",
    "Policy",
    "client_left",
    "fits",
    "health_answer",
    "too_large",
]

# What is read on of a refused body: uvicorn resets the connection of a client that still writes, and a client that
# finds its connection reset at 5 MB never reads the 413 (seen with urllib). Times max_body, and seconds at most.
DISCARD_TIMES = 16
DISCARD_FOR = 5.0
HEALTH_JSON = "application/health+json"
# In 5 s a balancer that asks /health/ready sends the client elsewhere.
DRAINING = Problem(
    Draining.http_status, Draining.code, Draining().message, (), (("retry-after", "5"), ("connection", "close"))
)


class Gate:
    """Open until the core has been open and is not any more, or says that it drains."""

    __slots__ = ("_core", "_was_open")

    def __init__(self, core: Guarded | None) -> None:
        """Guard ``core``; None guards nothing."""
        self._core = core
        self._was_open = False

    @property
    def accepting(self) -> bool:
        """Whether new work may come in. A core never opened yet is let through: it says itself how to open it."""
        core = self._core
        if core is None:
            return True
        if core.is_open:
            self._was_open = True
            return not getattr(core, "draining", False)
        return not self._was_open

    @property
    def ready(self) -> bool:
        """Whether requests can be served: open, and not closing."""
        return self.accepting and (self._core is None or self._core.is_open)


@dataclass(frozen=True, slots=True)
class Policy:
    """The options of a door, read and checked once.

    Attributes:
        core: the core whose health and gate it is, or None.
        max_body: the largest body accepted, in bytes.
        pages: the health pages by path.
        details: whether the health pages show the probes' figures.
        trusted: the proxies whose x-forwarded-for is believed.
        gate: refuses work while the core closes.
        carrier: carries the consistency token between a client's requests, or None.
    """

    core: Guarded | None
    max_body: int
    pages: Mapping[str, Kind]
    details: bool
    trusted: Networks
    gate: Gate
    carrier: Carrier | None

    @classmethod
    def of(
        cls,
        core: Guarded | None,
        *,
        max_body: int = 8_388_608,
        health: str | None = "/health",
        health_details: bool = False,
        trusted_proxies: Sequence[str] = (),
        carry_writes: bool = False,
    ) -> Policy:
        """Make the policy of a door's options.

        Raises:
            ConfigurationError: listing everything wrong with the options.
        """
        problems = []
        if max_body < 1:
            problems.append("max_body is a number of bytes, at least 1")
        if health is not None and not health.startswith("/"):
            problems.append(f"the health pages' path begins with a slash, {health!r} does not")
        db = getattr(core, "db", None)
        if carry_writes and db is None:
            problems.append("carry_writes needs a core with a database")
        if problems:
            raise ConfigurationError.of(problems)
        base = "" if health is None else health.rstrip("/")
        pages: dict[str, Kind] = {base: "all", f"{base}/live": "live", f"{base}/ready": "ready"} if base else {}
        pages = pages if core is not None else {}
        carrier = Carrier(db) if carry_writes else None
        return cls(core, max_body, pages, health_details, networks(trusted_proxies), Gate(core), carrier)

    @property
    def report(self) -> Callable[..., Any]:
        """The core's report, of the core's colour."""
        assert self.core is not None, "there are pages only where there is a core"
        report: Callable[..., Any] = self.core.health.report
        return report


def too_large(most: int) -> Problem:
    """Return the problem of a body above ``most`` bytes."""
    detail = {"field": "", "code": "too_large", "message": f"at most {most} bytes"}
    return Problem.of_status(413, f"The body is larger than {most} bytes.", [detail]).closing()


def client_left(error: Exception) -> bool:
    """Return whether ``error`` is a framework's word for a client that hung up: Starlette's, Werkzeug's."""
    return type(error).__name__ in ("ClientDisconnect", "ClientDisconnected")


def fits(length: bytes | str, most: int) -> bool:
    """Return whether an announced Content-Length is a number and at most ``most``."""
    return length.isascii() and length.isdigit() and len(length) < 20 and int(length) <= most


PAGES_ARE_READ = Problem.of_status(405, headers=[("allow", "GET, HEAD")])


def health_answer(report: Report, accept: str, *, details: bool) -> Answer:
    """Return a report as a response: ``application/health+json`` where that is preferred."""
    vary = [("vary", "accept")]
    if prefers(accept, HEALTH_JSON):
        return Answer.json(report.http_status, report.as_health_json(data=details), HEALTH_JSON, vary)
    return Answer.json(report.http_status, report.as_dict(data=details), headers=vary)
