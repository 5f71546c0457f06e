"""Brokers: one colourless protocol each, and the clients that run them."""

from .alpaca import Alpaca
from .capabilities import Capabilities
from .client import AsyncBrokerClient, BrokerClient
from .evidence import BreakerOpen, ErrorRow
from .line import breaker_for
from .outcomes import differences
from .protocol import Broker

__all__ = [
    "Alpaca",
    "AsyncBrokerClient",
    "BreakerOpen",
    "Broker",
    "BrokerClient",
    "Capabilities",
    "ErrorRow",
    "breaker_for",
    "differences",
]
