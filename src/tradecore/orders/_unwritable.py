"""A broker's answer that no row can take: it must not keep what is said of other orders from being written down."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from ..errors import TradeCoreError, UniqueViolation
from ..flow import Flow, Work
from ..hooks import WorkFailed
from ._journal import Journal, tell

__all__ = ["set_aside", "unless_unwritable"]

T = TypeVar("T")

_log = logging.getLogger("tradecore.orders")


def unless_unwritable(flow: Flow[T], otherwise: Callable[[Exception], Work[T]]) -> Flow[T]:
    """Run ``flow``, and ``otherwise`` where the answer it writes is what fails: a bound, a length, an arithmetic.

    A database that is away, busy or full fails for every order alike; that is raised.
    """
    try:
        return (yield from flow)
    except (UniqueViolation, IntegrityError, DataError) as error:
        failure: Exception = error
    except (TradeCoreError, DBAPIError):
        raise
    except Exception as error:
        failure = error
    _log.warning("an answer of the broker cannot be written down", exc_info=failure)
    return (yield from otherwise(failure))


def set_aside(session: Session, order_id: int, error: str, seconds: float) -> bool:
    """Look at this order again in ``seconds``, and say what is wrong with it; return False."""
    journal = Journal(session, order_id)
    journal.due_in(seconds)
    tell(session, WorkFailed(step=f"watch {journal.row.client_order_id}", error=error))
    return False
