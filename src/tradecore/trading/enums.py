"""The closed word lists of trading, in FIX terms where FIX has one."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "AssetClass",
    "Direction",
    "Environment",
    "Intent",
    "OrderStatus",
    "OrderType",
    "Side",
    "SignalAction",
    "Submission",
    "TimeInForce",
    "TrailUnit",
]


class Side(StrEnum):
    """The side of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class Direction(StrEnum):
    """Which way a position, or a signal, points."""

    LONG = "long"
    SHORT = "short"
    FLAT = "flat"

    @property
    def sign(self) -> int:
        """+1 long, -1 short, 0 flat."""
        return {"long": 1, "short": -1, "flat": 0}[self.value]


class SignalAction(StrEnum):
    """What a signal asks for."""

    ENTRY = "entry"
    EXIT = "exit"
    FLAT = "flat"


class OrderType(StrEnum):
    """How an order is priced."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"

    @property
    def needs_limit(self) -> bool:
        """Whether the type carries a limit price."""
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT)

    @property
    def needs_stop(self) -> bool:
        """Whether the type carries a stop price."""
        return self in (OrderType.STOP, OrderType.STOP_LIMIT)


class TrailUnit(StrEnum):
    """What a trailing stop's distance is measured in."""

    PRICE = "price"
    PERCENT = "percent"


class TimeInForce(StrEnum):
    """How long an order stands."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"


class AssetClass(StrEnum):
    """What kind of instrument it is."""

    EQUITY = "equity"
    FUTURE = "future"
    OPTION = "option"
    CRYPTO = "crypto"
    INDEX = "index"


class Environment(StrEnum):
    """Whose money it is."""

    PAPER = "paper"
    LIVE = "live"


class Intent(StrEnum):
    """What a row of the order journal asks the broker for."""

    ORDER = "order"
    CANCEL = "cancel"
    REPLACE = "replace"


class Submission(StrEnum):
    """How far an intent has come on its way to the broker."""

    RECORDED = "recorded"
    CLAIMED = "claimed"
    SENDING = "sending"
    CONFIRMING = "confirming"
    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    REVIEW = "review"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    DENIED = "denied"


class OrderStatus(StrEnum):
    """What an order is at the broker."""

    ACKNOWLEDGED = "acknowledged"
    WORKING = "working"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"

    @property
    def is_open(self) -> bool:
        """Whether the broker may still execute it; late fills of a closed order are legal all the same."""
        return self in _OPEN


_OPEN = frozenset(
    {
        OrderStatus.ACKNOWLEDGED,
        OrderStatus.WORKING,
        OrderStatus.HELD,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.PENDING_REPLACE,
    }
)
