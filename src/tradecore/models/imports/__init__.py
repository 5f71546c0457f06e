"""Trades from CSV files: read line by line, every bad line reported, nothing imported twice."""

from .report import Fault
from .run import Imported, Mode, Progress, import_trades, import_trades_async
from .trades import TradeFile

__all__ = ["Fault", "Imported", "Mode", "Progress", "TradeFile", "import_trades", "import_trades_async"]
