"""Flows: one logic, two drivers. Everything here is asked of the sync and of the async driver alike."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.flow.drivers import Ask, both, drive_async, drive_sync, echo

from tradecore.errors import ConnectFailed
from tradecore.flow import (
    Call,
    Crash,
    Exclusive,
    Pause,
    Work,
    arun,
)


@both
def test_answers_come_back_where_they_were_asked(drive):
    def flow():
        first = yield from Ask(1)
        second = yield from Ask("two")
        return first, second

    assert drive(flow(), echo)[0] == (1, "two")


@both
def test_a_flow_that_asks_nothing_just_returns(drive):
    def flow():
        return 7
        yield

    assert drive(flow(), echo)[0] == 7


@both
def test_an_error_is_thrown_in_where_the_question_was_asked(drive):
    def flow():
        try:
            yield from Ask(ConnectFailed("no route"))
        except ConnectFailed as error:
            after = yield from Ask("still here")
            return str(error), after

    assert drive(flow(), echo)[0] == ("no route", "still here")


@both
def test_an_error_nobody_expects_leaves_with_its_type(drive):
    def flow():
        yield from Ask(ConnectFailed("no route"))

    with pytest.raises(ConnectFailed, match="no route"):
        drive(flow(), echo)


@both
def test_a_flow_of_flows_is_one_flow(drive):
    def inner(number):
        answer = yield from Ask(number)
        return answer * 10

    def outer():
        total = 0
        for number in range(5):
            total += yield from inner(number)
        return total

    assert drive(outer(), echo)[0] == 100


@both
def test_exclusive_runs_inside_its_lock_and_lets_go_of_it(drive):
    order = []

    def answer(effect):
        order.append(effect.answer)
        return echo(effect)

    def inner():
        yield from Ask("inside")
        return "answer"

    def flow():
        got = yield from Exclusive("watch:alpaca", inner)
        yield from Ask("outside")
        return got

    result, held = drive(flow(), answer)
    assert result == "answer"
    assert held == ["+watch:alpaca", "-watch:alpaca"]
    assert order == ["inside", "outside"]


@both
def test_exclusive_lets_go_of_its_lock_when_the_flow_inside_fails(drive):
    def inner():
        yield from Ask(ConnectFailed())

    def flow():
        try:
            yield from Exclusive("key", inner)
        except ConnectFailed:
            return "told outside"

    assert drive(flow(), echo) == ("told outside", ["+key", "-key"])


@both
def test_exclusive_nests(drive):
    def innermost():
        return (yield from Ask("deep"))

    def inner():
        return (yield from Exclusive("b", innermost))

    def flow():
        return (yield from Exclusive("a", inner))

    assert drive(flow(), echo) == ("deep", ["+a", "+b", "-b", "-a"])


@both
def test_a_crash_is_a_flow_never_resumed(drive):
    reached = []

    def flow():
        try:
            yield from Ask(1)
            reached.append("one")
            yield from Ask(Crash("the power went"))
            reached.append("two")
        except Exception:
            reached.append("caught")
        return "done"

    kept = flow()
    with pytest.raises(Crash):
        drive(kept, echo)
    assert reached == ["one"]
    assert inspect.getgeneratorstate(kept) == inspect.GEN_SUSPENDED


@both
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_nothing_but_an_exception_is_thrown_into_a_flow(drive, end):
    thrown = []

    def flow():
        try:
            yield from Ask(end())
        except BaseException as error:
            thrown.append(error)
            raise

    kept = flow()
    with pytest.raises(BaseException) as caught:
        drive(kept, echo)
    assert isinstance(caught.value, end)
    assert thrown == []
    kept.close()
    assert [type(error) for error in thrown] == [GeneratorExit]


@pytest.mark.anyio
async def test_a_canceled_task_leaves_its_flow_where_it_was():
    waiting = asyncio.Event()

    async def perform(effect):
        waiting.set()
        await asyncio.Event().wait()

    seen = []

    def flow():
        try:
            yield from Pause(1)
        except Exception as error:
            seen.append(error)

    kept = flow()
    task = asyncio.create_task(arun(kept, perform))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == []
    assert inspect.getgeneratorstate(kept) == inspect.GEN_SUSPENDED


def test_work_runs_with_its_arguments_and_shows_none_of_them():
    def book(session, number, *, secret):
        return session.name, number, secret

    work = Work(book, 7, secret="s3cret")
    assert work(SimpleNamespace(name="session")) == ("session", 7, "s3cret")
    assert "s3cret" not in repr(work)
    assert "book" in repr(work)


def test_a_permit_is_no_part_of_what_a_call_is():
    class Leave:
        def succeed(self): ...
        def fail(self, error): ...
        def give_back(self): ...

    assert Call("GET", "/", permit=Leave()) == Call("GET", "/", permit=Leave())


questions = st.lists(st.one_of(st.integers(), st.text(max_size=5), st.builds(ConnectFailed, st.text(max_size=5))))


@given(questions)
def test_both_drivers_tell_a_flow_the_same_story(asked):
    def flow():
        heard = []
        for answer in asked:
            try:
                heard.append((yield from Ask(answer)))
            except ConnectFailed as error:
                heard.append(str(error))
        return heard

    expected = [str(answer) if isinstance(answer, ConnectFailed) else answer for answer in asked]
    assert drive_sync(flow(), echo)[0] == expected
    assert drive_async(flow(), echo)[0] == expected
