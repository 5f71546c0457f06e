"""The worker at the interpreter's end: executors close before anybody can close the core, and that is no error."""

from __future__ import annotations

import threading

from tradecore import Side, Signal, TradeCore


def test_a_worker_whose_pool_takes_nothing_more_ends_in_silence(tradecore_core: TradeCore) -> None:
    tradecore_core.start_worker(poll=0.01)
    worker = tradecore_core._worker
    assert worker is not None
    worker._pool.shutdown(wait=True)  # what the interpreter does to every executor before the atexit functions run
    tradecore_core.accept(Signal.market("s-1", "AAPL", Side.BUY, 10))
    looking = next(thread for thread in threading.enumerate() if thread.name == "tradecore-worker")
    looking.join(10)
    assert not looking.is_alive()
    tradecore_core.stop_worker()
    assert tradecore_core.run_due() > 0  # the step was not lost: the row names it
