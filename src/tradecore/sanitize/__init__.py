"""Input that cannot hurt: bodies are bounded and strict before anything else looks at them; text is fit for its place.

What is stored is text. What is written into HTML, a spreadsheet or a log is spelled for that place on its way out.
"""

from .characters import characters
from .export import Escaped, csv_cell, escape, log_value
from .html import html
from .markdown import markdown
from .names import identifier, name, symbol
from .payload import Change, Payload, PayloadLimits, check, parse, payload
from .text import plain

__all__ = [
    "Change",
    "Escaped",
    "Payload",
    "PayloadLimits",
    "characters",
    "check",
    "csv_cell",
    "escape",
    "html",
    "identifier",
    "log_value",
    "markdown",
    "name",
    "parse",
    "payload",
    "plain",
    "symbol",
]
