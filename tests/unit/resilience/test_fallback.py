"""Fallbacks: what they answer for, what they never hide, and that nothing in them is retried."""

from __future__ import annotations

import asyncio

import pytest

from tradecore.clock import ManualClock
from tradecore.errors import (
    BulkheadFull,
    CommitUnknown,
    ConfigurationError,
    ConnectFailed,
    OutcomeUnknown,
    RateLimited,
    ReplyLost,
)
from tradecore.hooks import Hooks
from tradecore.resilience import CircuitOpenError, Fallback, FellBack, Pipeline, RetryPolicy


def raising(error):
    def plain(*args, **kwargs):
        raise error

    async def awaited(*args, **kwargs):
        raise error

    return plain, awaited


def answers(fallback, error, *args):
    plain, awaited = raising(error)
    ours = fallback(plain)(*args)
    assert asyncio.run(fallback(awaited)(*args)) == ours
    return ours


@pytest.mark.parametrize(
    "error", [CircuitOpenError(), RateLimited(), BulkheadFull(), KeyError("k"), ValueError("again")]
)
def test_it_answers_for_refusals_and_for_what_is_listed(error):
    hooks, told = Hooks(), []
    hooks.on(FellBack, lambda news: told.append((news.name, news.error)))
    fallback = Fallback(
        lambda error, *args: (error, args), on=(KeyError, lambda e: str(e) == "again"), name="quotes", hooks=hooks
    )
    assert answers(fallback, error, "KO", 2) == (error, ("KO", 2))
    assert told == [("quotes", error)] * 2


@pytest.mark.parametrize("error", [TypeError(), ConnectFailed(), KeyboardInterrupt()])
def test_the_rest_goes_out(error):
    plain, awaited = raising(error)
    fallback = Fallback.value("stale", on=KeyError)
    with pytest.raises(type(error)):
        fallback(plain)()
    with pytest.raises(type(error)):
        asyncio.run(fallback(awaited)())


@pytest.mark.parametrize("doubt", [ReplyLost(), OutcomeUnknown(), CommitUnknown()])
def test_doubt_is_never_hidden(doubt):
    for on in (Exception, lambda error: True):
        plain, awaited = raising(doubt)
        with pytest.raises(type(doubt)):
            Fallback.value("fine", on=on)(plain)()
        with pytest.raises(type(doubt)):
            asyncio.run(Fallback.value("fine", on=on)(awaited)())
    with pytest.raises(ConfigurationError, match="must not hide"):
        Fallback.value("fine", on=(KeyError, type(doubt)))


def test_what_it_raises_goes_to_the_caller_and_nothing_in_it_is_retried():
    calls = []
    retry = RetryPolicy(on=ConnectionError, clock=ManualClock(autoadvance=True))

    @retry
    def second_source():
        calls.append("second")
        raise ConnectionError("second")

    def first_source():
        calls.append("first")
        raise ConnectionError("first")

    guarded = Pipeline(Fallback(lambda error: second_source(), on=ConnectionError), retry)(first_source)
    with pytest.raises(ConnectionError, match="second") as caught:
        guarded()
    assert calls == ["first"] * 3 + ["second"]
    assert str(caught.value.__context__) == "first"
    with pytest.raises(ConnectionError):
        second_source()
    assert calls.count("second") == 4  # elsewhere it is retried as before


def test_an_awaited_fallback_stands_only_in_front_of_coroutines():
    async def other(error):
        await asyncio.sleep(0)
        return "other"

    fallback = Fallback(other, on=KeyError)
    plain, awaited = raising(KeyError())
    assert asyncio.run(fallback(awaited)()) == "other"
    with pytest.raises(ConfigurationError, match="cannot await"):
        fallback(plain)
    with pytest.raises(ConfigurationError, match="cannot await"):
        Pipeline(fallback).call(plain)


def test_a_constant_is_the_same_object_each_time():
    empty: list[int] = []
    assert answers(Fallback.value(empty), CircuitOpenError()) is empty


def test_generators_are_refused():
    def numbers():
        yield 1

    with pytest.raises(ConfigurationError, match="answered in part"):
        Fallback.value(0)(numbers)
