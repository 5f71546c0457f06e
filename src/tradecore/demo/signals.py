"""The demo's signals: moving-average crossovers of real daily closes, some of them sent twice.

For each pair of windows and each of two symbols there is one strategy, long only: the day the fast average closes above
the slow one it asks to buy, the day it closes below it asks to leave. A signal of one day's close acts at the next
day's open. Everything but prices comes from the seed; no average is ever a float.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from ..errors import InvalidInput
from ..simulators.exchange import Market
from ..trading import OrderType, Side, Signal, SignalAction

__all__ = ["SYMBOLS", "WINDOWS", "Arrival", "Crossing", "Sizing", "arrivals", "crossings", "strategies"]

SYMBOLS = ("SPY", "QQQ")
WINDOWS = ((5, 20), (10, 30), (10, 50), (20, 60), (20, 100), (50, 200))
SHARE_SENT_TWICE = Decimal("0.08")

_CENT = Decimal("0.01")
_CLOSE = time(21, 0)  # 16:00 in New York, in winter


@dataclass(frozen=True, slots=True)
class Crossing:
    """A day on which a strategy changes its mind.

    Attributes:
        number: the trading day's number in the market's bars.
        strategy: the strategy's name, such as ``SPY-10x50``.
        side: BUY where the fast average closed above the slow one, SELL where below.
        close: the price of that close.
    """

    number: int
    day: date
    strategy: str
    symbol: str
    side: Side
    close: Decimal


@dataclass(frozen=True, slots=True)
class Arrival:
    """One delivery of a signal.

    Attributes:
        number: the trading day at whose open it acts.
        repeat: whether the same signal was delivered before.
    """

    number: int
    signal: Signal
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Sizing:
    """How large an entry is, and how it is priced.

    Attributes:
        stake: dollars an entry is worth at the close it is decided on; whole shares below it are ordered.
        limits: share of entries that wait for a price a little below the close; they expire with the day.
        stops: share of entries that wait for one a little above it. Every exit goes at the market.
    """

    stake: Decimal = Decimal(88_000)
    limits: float = 0.1
    stops: float = 0.06


def strategies() -> list[str]:
    """Return the name of every strategy."""
    return [f"{symbol}-{fast}x{slow}" for symbol in SYMBOLS for fast, slow in WINDOWS]


def crossings(market: Market) -> list[Crossing]:
    """Return every crossing that can still act on a later day, oldest first; within a day in the strategies' order."""
    found: list[Crossing] = []
    for symbol in SYMBOLS:
        closes = [market.bar(symbol, number).close for number in range(len(market))]
        for fast, slow in WINDOWS:
            found += _crossings(market, symbol, closes, fast, slow)
    return sorted(
        (crossing for crossing in found if crossing.number + 1 < len(market)), key=lambda crossing: crossing.number
    )


def _crossings(market: Market, symbol: str, closes: Sequence[Decimal], fast: int, slow: int) -> Iterator[Crossing]:
    fast_sum, slow_sum = sum(closes[slow - fast : slow]), sum(closes[:slow])
    above = fast_sum * slow > slow_sum * fast
    for number in range(slow, len(closes)):
        fast_sum += closes[number] - closes[number - fast]
        slow_sum += closes[number] - closes[number - slow]
        difference = fast_sum * slow - slow_sum * fast
        if difference and (difference > 0) != above:
            above = difference > 0
            side = Side.BUY if above else Side.SELL
            yield Crossing(number, market.days[number], f"{symbol}-{fast}x{slow}", symbol, side, closes[number])


def arrivals(count: int, seed: int, market: Market, sizing: Sizing | None = None) -> list[Arrival]:
    """Return ``count`` deliveries in the order in which they arrive: the latest crossings, 8 % of them twice.

    Args:
        count: deliveries, repeats included; at least 1.
        seed: decides which are sent twice and when, and how orders are priced.
        market: the bars.
        sizing: how large and how priced entries are.

    Raises:
        InvalidInput: the bars hold fewer crossings than that, or the count is not positive.
    """
    repeats = int((Decimal(count) * SHARE_SENT_TWICE / (1 + SHARE_SENT_TWICE)).to_integral_value(ROUND_HALF_UP))
    found = crossings(market)
    most = int(len(found) * (1 + SHARE_SENT_TWICE))
    if not 1 <= count <= most:
        raise InvalidInput.of("signals", "range", f"must be 1 to {most}: the bars hold {len(found)} crossings")
    chosen = _latest(found, count - repeats)
    dice = Random(f"signals|{seed}")
    first = [Arrival(c.number + 1, _signal(c, sizing or Sizing(), dice)) for c in chosen]
    again = {index: _place(index, len(first), dice) for index in dice.sample(range(len(first)), repeats)}
    return _interleaved(first, again)


def _latest(found: list[Crossing], count: int) -> list[Crossing]:
    """Return ``count`` crossings from as late a start as will do; each strategy begins by buying, with nothing held."""
    held: set[str] = set()
    for start in range(len(found) - count, -1, -1):
        held.clear()
        chosen = []
        for crossing in found[start:]:
            if crossing.side is Side.BUY:
                held.add(crossing.strategy)
            if crossing.strategy in held:
                chosen.append(crossing)
        if len(chosen) >= count:
            return chosen[:count]
    return found[:count]


def _place(index: int, length: int, dice: Random) -> int:
    """Return after which signal the repeat of number ``index`` comes: half of them at once, half some time later."""
    return index if dice.random() < 0.5 else min(length - 1, index + dice.randint(1, 40))


def _interleaved(first: list[Arrival], again: dict[int, int]) -> list[Arrival]:
    after: dict[int, list[int]] = {}
    for index, place in sorted(again.items()):
        after.setdefault(place, []).append(index)
    merged = []
    for place, arrival in enumerate(first):
        merged.append(arrival)
        merged += [Arrival(arrival.number, first[index].signal, repeat=True) for index in after.get(place, ())]
    return merged


def _signal(crossing: Crossing, sizing: Sizing, dice: Random) -> Signal:
    entry = crossing.side is Side.BUY
    kind, limit_price, stop_price = _priced(crossing, sizing, dice)
    return Signal(
        id=f"{crossing.strategy}-{crossing.day.isoformat()}-{'in' if entry else 'out'}",
        strategy=crossing.strategy,
        action=SignalAction.ENTRY if entry else SignalAction.EXIT,
        side=crossing.side,
        symbol=crossing.symbol,
        quantity=max(Decimal(1), sizing.stake // crossing.close) if entry else None,
        order_type=kind,
        limit_price=limit_price,
        stop_price=stop_price,
        price=crossing.close,
        at=datetime.combine(crossing.day, _CLOSE, UTC),
    )


def _priced(crossing: Crossing, sizing: Sizing, dice: Random) -> tuple[OrderType, Decimal | None, Decimal | None]:
    """Return order type, limit and stop price: some entries wait for a dip to buy, or for strength to follow."""
    point = dice.random()
    if crossing.side is Side.BUY and point < sizing.limits:
        return OrderType.LIMIT, _cents(crossing.close * Decimal("0.997")), None
    if crossing.side is Side.BUY and point >= 1 - sizing.stops:
        return OrderType.STOP, None, _cents(crossing.close * Decimal("1.002"))
    return OrderType.MARKET, None, None


def _cents(price: Decimal) -> Decimal:
    return price.quantize(_CENT, ROUND_HALF_UP)
