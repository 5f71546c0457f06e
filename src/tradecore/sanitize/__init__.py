"""Input that cannot hurt: bodies are bounded and strict before anything else looks at them."""

from .payload import PayloadLimits, check, parse

__all__ = ["PayloadLimits", "check", "parse"]
