"""A trading desk behind Flask: a signal comes in, an order goes out, once. See README.md for how to start it."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, request

from tradecore import TradeCore
from tradecore.brokers import Alpaca
from tradecore.web.flask import init_app

core = TradeCore(
    os.environ.get("TRADECORE_DATABASE_URL", "sqlite:///desk.db"),
    brokers=[Alpaca.from_env()],  # APCA_API_KEY_ID, APCA_API_SECRET_KEY, APCA_API_BASE_URL; the paper account
    route="alpaca",  # every signal goes there; without a route, routing rules decide
)
app = Flask(__name__)
init_app(app, core)  # request ids, errors, /health; the core opens at the first request of each process


@app.post("/api/v1/signals")
def receive() -> Any:
    """Take a signal. The receipt is written before it is answered; a repeat gets the same one."""
    return core.accept(request.get_data()).as_dict(), 202


@app.get("/api/v1/orders")
def orders() -> Any:
    """Show what became of signals."""
    return [order.as_dict() for order in core.orders.list(signal_id=request.args.get("signal_id"))]


@app.delete("/api/v1/orders/<client_order_id>")
def cancel(client_order_id: str) -> Any:
    """Record the wish to cancel; the worker carries it to the broker."""
    return core.orders.cancel(client_order_id, reason="asked for over the API").as_dict(), 202
