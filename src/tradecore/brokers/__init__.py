"""Brokers: one colourless protocol each, and the clients that run them."""

from .alpaca import Alpaca
from .capabilities import Capabilities
from .client import AsyncBrokerClient, BrokerClient
from .evidence import BreakerOpen, ErrorRow
from .line import breaker_for
from .outcomes import differences
from .protocol import Broker
from .tradovate import Tradovate

__all__ = [
    "Alpaca",
    "AsyncBrokerClient",
    "BreakerOpen",
    "Broker",
    "BrokerClient",
    "Capabilities",
    "ErrorRow",
    "Tradovate",
    "breaker_for",
    "differences",
]
