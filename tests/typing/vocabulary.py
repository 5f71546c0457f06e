"""What checkers see of the vocabulary: the constructors a user writes, the values, the mistakes they catch."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import assert_type

from tradecore import InvalidInput, NotSent, OrderRejected, OrderRequest, OutcomeUnknown, Receipt, Side, Signal
from tradecore.trading import Order, OrderStatus, OrderType, Submission, may_move


def ask() -> None:
    request = OrderRequest.limit("AAPL", Side.BUY, 10, price="189.50")
    assert_type(request, OrderRequest)
    assert_type(request.quantity, Decimal | None)
    assert_type(request.order_type, OrderType)
    assert_type(OrderRequest.trailing_stop("AAPL", Side.SELL, Decimal("0.5"), percent=2), OrderRequest)
    OrderRequest.limit("AAPL", Side.BUY, 10, price=189.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    OrderRequest.market("AAPL", "buy", 10)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wish() -> None:
    signal = Signal.market("s-1", "AAPL", Side.BUY, 10)
    assert_type(signal, Signal)
    assert_type(signal.side, Side | None)
    assert_type(Signal.of(id="s-1", strategy="momentum", action="flat"), Signal)


def answer(receipt: Receipt, order: Order) -> None:
    assert_type(receipt.received_at, datetime)
    assert_type(receipt.duplicate, bool)
    assert_type(order.status, OrderStatus | None)
    assert_type(order.is_open, bool)
    assert_type(may_move(Submission.RECORDED, Submission.CLAIMED), bool)


def refuse() -> None:
    try:
        wish()
    except (NotSent, OrderRejected) as no:
        assert_type(no.reason, str)
        assert_type(no.retry_after, float | None)
    except OutcomeUnknown as doubt:
        assert_type(doubt.client_order_id, str | None)
    except InvalidInput as wrong:
        assert_type(wrong.code, str)
