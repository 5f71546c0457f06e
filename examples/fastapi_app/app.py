"""A trading desk behind FastAPI: a signal comes in, an order goes out, once. See README.md for how to start it."""

from __future__ import annotations

import os

from fastapi import FastAPI, Request

from tradecore import AsyncTradeCore, Receipt
from tradecore.brokers import Alpaca
from tradecore.orders import OrderView
from tradecore.web.fastapi import install

core = AsyncTradeCore(
    os.environ.get("TRADECORE_DATABASE_URL", "sqlite:///desk.db"),
    brokers=[Alpaca.from_env()],  # APCA_API_KEY_ID, APCA_API_SECRET_KEY, APCA_API_BASE_URL; the paper account
    route="alpaca",  # every signal goes there; without a route, routing rules decide
)
app = FastAPI(title="Desk", lifespan=core.lifespan)
install(app, core)  # request ids, errors, /health, and nothing new while it shuts down


@app.post("/api/v1/signals", status_code=202)
async def receive(request: Request) -> Receipt:
    """Take a signal. The receipt is written before it is answered; a repeat gets the same one."""
    return await core.accept(await request.body())


@app.get("/api/v1/orders")
async def orders(signal_id: str | None = None) -> list[OrderView]:
    """Show what became of signals."""
    return list(await core.orders.list(signal_id=signal_id))


@app.delete("/api/v1/orders/{client_order_id}", status_code=202)
async def cancel(client_order_id: str) -> OrderView:
    """Record the wish to cancel; the worker carries it to the broker."""
    return await core.orders.cancel(client_order_id, reason="asked for over the API")
