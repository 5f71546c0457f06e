"""The two drivers behind one signature, so that a test asks both the same."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest

from tradecore.flow import Call, Effect, Lock, Reply, arun, run


@dataclass(frozen=True)
class Ask(Effect[object]):
    """A question of the tests; ``answer`` comes back, an exception is raised."""

    answer: object = None


def drive_sync(flow, answer, wrap=lambda perform: perform):
    held = []

    def perform(effect):
        if isinstance(effect, Lock):
            return lock(effect.key)
        return answer(effect)

    @contextmanager
    def lock(key):
        held.append(f"+{key}")
        try:
            yield
        finally:
            held.append(f"-{key}")

    return run(flow, wrap(perform)), held


def drive_async(flow, answer, wrap=lambda perform: perform):
    held = []

    async def perform(effect):
        await asyncio.sleep(0)
        if isinstance(effect, Lock):
            return lock(effect.key)
        return answer(effect)

    @asynccontextmanager
    async def lock(key):
        held.append(f"+{key}")
        try:
            yield
        finally:
            held.append(f"-{key}")

    return asyncio.run(arun(flow, wrap(perform))), held


both = pytest.mark.parametrize("drive", [drive_sync, drive_async], ids=["sync", "async"])


def echo(effect):
    if isinstance(effect, Ask):
        if isinstance(effect.answer, BaseException):
            raise effect.answer
        return effect.answer
    return Reply(200, {"path": effect.path}) if isinstance(effect, Call) else None
