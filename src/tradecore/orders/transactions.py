"""One transaction of the journey: what it needs to know beforehand, and what it has to tell once it is committed."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy.orm import Session

from ..flow import Work
from ..hooks import Happening
from ._journal import HAPPENINGS
from .positions import PLATFORM

__all__ = ["transact"]

A = TypeVar("A")


def transact(session: Session, work: Work[A], platform: bool) -> tuple[A, tuple[Happening, ...]]:
    """Do ``work`` in the running transaction and return its answer with what happened, for the hooks.

    Args:
        session: the running transaction; a try that is run again brings a fresh one, so nothing is told twice.
        work: what to do.
        platform: whether the platform's tables are installed.
    """
    session.info[PLATFORM] = platform
    session.info[HAPPENINGS] = []
    answer = work(session)
    return answer, tuple(session.info[HAPPENINGS])
