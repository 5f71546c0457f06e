"""Leave to make one call to a broker: the breaker's permit and the pace's turn, in one hand."""

from __future__ import annotations

from ..resilience import BreakerPermit, Turn

__all__ = ["BrokerPermit"]


class BrokerPermit:
    """Leave to make one call: a :class:`tradecore.flow.Permit`. Settled once; later settling does nothing.

    A permit that was never used gives both parts back; a used one keeps its turn, since the broker counted the request.
    """

    __slots__ = ("_breaker", "_turn", "used")

    def __init__(self, breaker: BreakerPermit, turn: Turn | None) -> None:
        """Hold both."""
        self._breaker = breaker
        self._turn = turn
        self.used = False

    def start(self) -> None:
        """The request is written now."""
        self.used = True
        self._breaker.start()

    def succeed(self) -> None:
        """The call was answered."""
        self._breaker.succeed()

    def fail(self, error: Exception) -> None:
        """The call failed in a way that speaks against the broker's health."""
        self._breaker.fail(error)

    def give_back(self) -> None:
        """The permit was not used, or its call says nothing about health."""
        self._breaker.give_back()
        if not self.used and self._turn is not None:
            self._turn.give_back()

    def __repr__(self) -> str:
        """Show whether it was used."""
        return f"<BrokerPermit {'used' if self.used else 'unused'}>"
