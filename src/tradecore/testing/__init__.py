"""What downstream tests borrow: the pytest plugin, and the counting of statements."""

from __future__ import annotations

from .._lazy import lazy

__all__ = ["Statements", "assert_statements", "refuse_loads_per_row"]

# The plugin is loaded by every pytest run that has tradecore installed, and must load nothing of ours.
__getattr__ = lazy(__name__, dict.fromkeys(__all__, ".statements"), globals())
