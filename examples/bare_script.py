"""No framework, no keys: a signal sent twice, a broker that loses its answer, and one order at the end.

Run: python examples/bare_script.py
"""

from __future__ import annotations

import time

from tradecore import BrokerClient, Side, Signal, TradeCore
from tradecore.brokers import Alpaca
from tradecore.simulators import AlpacaSimulator


def main() -> None:
    """Accept, wait for the worker, show what became of it."""
    alpaca = AlpacaSimulator()  # in this process, on real prices
    alpaca.loses_reply(times=1)  # it takes the order, and the answer never arrives
    client = BrokerClient(Alpaca(key="any", secret="any"), transport=alpaca.transport())
    # For the paper account: brokers=[Alpaca.from_env()], and a database that stays: "sqlite:///desk.db".
    with TradeCore("sqlite://", brokers=[client], route="alpaca", setup_schema=True) as core:
        signal = Signal.market("s-1", "AAPL", Side.BUY, 10)
        print(core.accept(signal))
        print(core.accept(signal))
        while not (orders := core.orders.list(signal_id="s-1")) or not orders[0].is_settled:
            time.sleep(0.1)  # the worker is at it
        for order in orders:
            print(f"{order.side} {order.quantity} {order.symbol}: {order.status} at {order.average_price}")
            for line in core.orders.ledger(order.client_order_id):
                print(f"    {line.sequence} {line.event}: {line.source} -> {line.target}")
    print(f"the broker has {len(alpaca.orders)} order")


if __name__ == "__main__":
    main()
