"""What downstream tests borrow: the pytest plugin, the counting of statements, and which index an order lacks."""

from __future__ import annotations

from .._lazy import lazy

__all__ = ["Statements", "assert_statements", "missing_indexes", "refuse_loads_per_row"]

# The plugin is loaded by every pytest run that has tradecore installed, and must load nothing of ours.
__getattr__ = lazy(__name__, dict.fromkeys(__all__, ".statements") | {"missing_indexes": ".indexes"}, globals())
