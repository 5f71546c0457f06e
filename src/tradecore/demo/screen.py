"""What one sees while the demo runs: a live view at a terminal with rich, plain lines about once a second otherwise."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from .tally import Tally

__all__ = ["LiveScreen", "PlainScreen", "Progress", "Screen", "screen_for"]

EVERY = 1.0  # real seconds between plain lines
_FRAME = 0.15


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of the demo.

    Attributes:
        seconds: real seconds since it began.
        stage: what it is at, in a word or two.
        day: where the market stands.
        arrived: deliveries made so far, of ``expected``.
        kills: workers killed so far.
    """

    seconds: float
    stage: str
    day: str
    arrived: int
    expected: int
    kills: int
    tally: Tally

    @property
    def facts(self) -> list[tuple[str, int]]:
        """What is counted: wishes under way, outcomes in doubt, orders at the broker, then how things ended."""
        tally = self.tally
        return [
            ("open", tally.backlog),
            ("doubt", tally.in_doubt),
            ("working", tally.working),
            ("filled", tally.filled),
            ("refused", tally.refused),
            ("kills", self.kills),
        ]

    @property
    def line(self) -> str:
        """All of it in one line below 100 columns."""
        counted = "  ".join(f"{name} {number}" for name, number in self.facts)
        return f"{self.seconds:5.1f} s  {self.day:10}  {self.arrived}/{self.expected}  {counted}"


class Screen(Protocol):
    """Shows the progress of a demo."""

    def say(self, text: str) -> None:
        """Show text that stays."""
        ...

    def show(self, progress: Progress) -> None:
        """Show the moment; may be called as often as one likes."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class PlainScreen:
    """Lines, for pipes and logs.

    Args:
        out: where they go.
        every: the fewest real seconds between two of them.
    """

    def __init__(self, out: TextIO, every: float = EVERY) -> None:
        """Start silent."""
        self._out, self._every, self._last = out, every, float("-inf")

    def say(self, text: str) -> None:
        """Print text."""
        print(text, file=self._out, flush=True)

    def show(self, progress: Progress) -> None:
        """Print the moment, unless the last line is too fresh."""
        if time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            self.say(progress.line)

    def close(self) -> None:
        """Nothing to put back."""


class LiveScreen:
    """A view that stays in its place, drawn by rich.

    Args:
        out: a terminal.

    Raises:
        ImportError: rich is not installed.
    """

    def __init__(self, out: TextIO) -> None:
        """Start with nothing drawn."""
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=out, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._started = False
        self._last = float("-inf")

    def say(self, text: str) -> None:
        """Print text above the view."""
        self._console.print(text, markup=False, soft_wrap=True)

    def show(self, progress: Progress) -> None:
        """Draw the moment, unless the last frame is too fresh."""
        if time.monotonic() - self._last < _FRAME:
            return
        if not self._started:
            self._started = True
            self._live.start()
        self._last = time.monotonic()
        self._live.update(_drawing(progress), refresh=True)

    def close(self) -> None:
        """Take the view away."""
        if self._started:
            self._live.stop()
            self._started = False


_BAR = 72
_STYLES = {"doubt": "bold yellow", "refused": "bold magenta", "kills": "bold red", "filled": "bold green"}


def _drawing(progress: Progress) -> Any:
    from rich.console import Group
    from rich.text import Text

    head = Text.assemble(
        (f"{progress.seconds:5.1f} s  ", "bold"), f"{progress.day:10}  {progress.stage}  {progress.arrived}"
    )
    head.append(f"/{progress.expected}", "dim")
    done = _BAR * progress.arrived // max(1, progress.expected)
    bar = Text.assemble(("━" * done, "green"), ("━" * (_BAR - done), "dim"))
    facts = Text("  ").join(
        Text.assemble((f"{number:>4} ", _STYLES.get(name, "bold")), (name, "dim")) for name, number in progress.facts
    )
    return Group(head, bar, facts)


def screen_for(out: TextIO | None = None) -> Screen:
    """Return the live view where ``out`` (standard output when left out) is a terminal and rich is there."""
    stream = out if out is not None else sys.stdout
    if stream.isatty():
        try:
            return LiveScreen(stream)
        except ImportError:
            return PlainScreen(stream)
    return PlainScreen(stream)
