"""The performers of the cores: each effect to the room that answers it, in both colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..errors import ConfigurationError
from ..flow import Admit, Call, Effect, Lock, Pause, Work
from ..hooks import Hooks
from ..orders.transactions import transact

if TYPE_CHECKING:
    from ..db import AsyncDatabase, Database

__all__ = ["async_performer", "performer"]


def _client(clients: Mapping[str, Any], to: str) -> Any:
    if to in clients:
        return clients[to]
    raise ConfigurationError(f"no broker is called {to!r} here (known: {', '.join(sorted(clients)) or 'none'})")


def performer(
    db: Database, clients: Mapping[str, Any], clock: Clock, hooks: Hooks, platform: Callable[[], bool]
) -> Callable[[Effect[Any]], Any]:
    """Return the sync performer. Hooks are told after the commit, in the order things happened."""

    def perform(effect: Effect[Any], /) -> Any:
        if isinstance(effect, Work):
            answer, happenings = db.run(transact, effect, platform())
            for happening in happenings:
                hooks.tell(happening)
            return answer
        if isinstance(effect, Call | Admit):
            return _client(clients, effect.to).perform(effect)
        if isinstance(effect, Pause):
            return clock.sleep(effect.seconds)
        if isinstance(effect, Lock):
            return db.hold(effect.key, wait=effect.wait)
        raise TypeError(f"nobody performs {effect!r}")

    return perform


def async_performer(
    db: AsyncDatabase,
    clients: Mapping[str, Any],
    clock: Clock,
    hooks: Hooks,
    platform: Callable[[], bool],
) -> Callable[[Effect[Any]], Any]:
    """Return the async performer: the same, awaited."""

    async def perform(effect: Effect[Any], /) -> Any:
        if isinstance(effect, Work):
            answer, happenings = await db.run(transact, effect, platform())
            for happening in happenings:
                hooks.tell(happening)
            return answer
        if isinstance(effect, Call | Admit):
            return await _client(clients, effect.to).perform(effect)
        if isinstance(effect, Pause):
            return await clock.asleep(effect.seconds)
        if isinstance(effect, Lock):
            return db.hold(effect.key, wait=effect.wait)
        raise TypeError(f"nobody performs {effect!r}")

    return perform
