"""How long ``import tradecore`` takes: the median of fresh interpreters, next to ``import json`` and to nothing.

Run: ``python benchmarks/import_time.py [--quick]``. The budget is 50 ms and no third-party module.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

RUNS = 1 if "--quick" in sys.argv else 15  # quick: to see that it runs


def _seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def measure() -> dict[str, float]:
    """Return the median milliseconds of each import, above an interpreter that imports nothing."""
    codes = {"nothing": "pass", "json": "import json", "tradecore": "import tradecore", "asyncio": "import asyncio"}
    taken = {name: [] for name in codes}
    for _ in range(RUNS):  # interleaved, so that a busy machine weighs on all alike
        for name, code in codes.items():
            taken[name].append(_seconds(code))
    bare = median(taken["nothing"])
    return {name: round((median(values) - bare) * 1000, 2) for name, values in taken.items()}


if __name__ == "__main__":
    for name, milliseconds in measure().items():
        print(f"import {name:10} {milliseconds:8.2f} ms")
