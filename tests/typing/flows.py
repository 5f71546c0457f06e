"""What checkers see of flows: an answer has the type its effect promises, in both colours."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, assert_type

from tradecore.errors import NotSent
from tradecore.flow import Admit, Call, Effect, Exclusive, Flow, Pause, Permit, Reply, Work, addressed, arun, run

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

A = TypeVar("A")


@dataclass(frozen=True)
class Booked:
    """A plain value, as a unit of work returns it."""

    order_id: int


def book(session: Session, order_id: int, *, note: str = "") -> Booked:
    return Booked(order_id)


def journey(order_id: int) -> Flow[str]:
    permit = yield from Admit("order")
    assert_type(permit, Permit)
    reply = yield from Call("POST", "/v2/orders", body={"symbol": "AAPL"}, kind="order", permit=permit)
    assert_type(reply, Reply)
    assert_type((yield from Pause(0.5)), None)
    booked = yield from Work(book, order_id, note="first")
    assert_type(booked, Booked)
    inner = yield from Exclusive("watch", lambda: journey(order_id))
    assert_type(inner, str)
    return f"{booked.order_id} {reply.status}"


def perform(effect: Effect[A], /) -> A:
    raise NotSent


def aperform(effect: Effect[A], /) -> Awaitable[A]:
    raise NotSent


def drive() -> None:
    assert_type(run(journey(1), perform), str)
    assert_type(run(addressed(journey(1), "desk"), perform), str)


async def adrive() -> None:
    assert_type(await arun(journey(1), aperform), str)


def wrong() -> None:
    Work(book, "7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Work(book, 7, nope=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Call("GET", "/", kind="maybe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
