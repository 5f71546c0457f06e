"""A few strokes of SVG: boxes, arrows between them, dots in a grid. Colours follow the page's theme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import hypot
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]

HALF_WIDTH, HALF_HEIGHT = 64, 19

HUBS = {"hub1": "#3b78e7", "hub2": "#d9642a", "hub3": "#2f9e5b"}  # seen on light and on dark

_STYLE = """
.tc text { font: 13px var(--font-stack, sans-serif); fill: currentColor; }
.tc rect { fill: var(--color-background-secondary, #f8f9fb); stroke: currentColor; }
.tc rect.end { stroke-width: 2.5; } .tc rect.doubt { stroke-dasharray: 5 3; }
.tc path { fill: none; stroke: currentColor; stroke-opacity: .75; } .tc path.faint { stroke-opacity: .22; }
.tc circle { fill: var(--color-background-primary, #fff); stroke: currentColor; stroke-opacity: .5; }
.tc circle.full { fill: currentColor; } .tc circle.none { stroke-opacity: .12; }
.tc .number { font-size: 11px; }
""" + "\n".join(
    f".tc rect.{name} {{ stroke: {colour}; stroke-width: 2; }} .tc path.{name} {{ stroke: {colour}; }}"
    f" .tc text.{name} {{ fill: {colour}; }}"
    f" .tc path.{name}.faint {{ stroke-opacity: .45; stroke-dasharray: 4 3; }}"
    for name, colour in HUBS.items()
)


class Drawing:
    """Collects strokes; :meth:`text` gives the SVG. Arrows first, boxes over them."""

    def __init__(self, width: float, height: float, title: str, *, half_width: float = HALF_WIDTH) -> None:
        """Start an empty drawing whose boxes are twice ``half_width`` wide."""
        self.width, self.height, self.title, self.half_width = width, height, title, half_width
        self._strokes: list[str] = []

    def box(self, at: Point, text: str, *, end: bool = False, doubt: bool = False, hub: str = "") -> None:
        """Draw a state: thick where it ends, dashed where it is in doubt; a hub has a colour of its own."""
        kind = "end" if end else "doubt" if doubt else hub
        x, y = at[0] - self.half_width, at[1] - HALF_HEIGHT
        size = f'width="{2 * self.half_width}" height="{2 * HALF_HEIGHT}" rx="8"'
        self._strokes.append(f'<rect class="{kind}" x="{x}" y="{y}" {size}/>')
        self.words((at[0], at[1] + 4), text)

    def arrow(self, start: Point, end: Point, *, label: str = "", faint: bool = False) -> None:
        """Draw a bow from box to box, bent to the right of its way, so that there and back are two arrows."""
        (x1, y1), (x2, y2) = start, end
        length = hypot(x2 - x1, y2 - y1) or 1
        bend = 14 + length * (0.12 if faint else 0.05)
        middle = ((x1 + x2) / 2 - (y2 - y1) / length * bend, (y1 + y2) / 2 + (x2 - x1) / length * bend)
        (ax, ay), (bx, by) = _edge(start, middle, self.half_width), _edge(end, middle, self.half_width)
        marker = "faint" if faint else "head"
        self._strokes.append(
            f'<path class="{"faint" if faint else ""}" marker-end="url(#{marker})" '
            f'd="M{ax:.1f} {ay:.1f} Q{middle[0]:.1f} {middle[1]:.1f} {bx:.1f} {by:.1f}"/>'
        )
        if label:
            x, y = (ax + 2 * middle[0] + bx) / 4, (ay + 2 * middle[1] + by) / 4
            self._strokes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9"/>')
            self.words((x, y + 4), label, kind="number")

    def link(self, start: Point, end: Point, *, hub: str = "", faint: bool = False) -> None:
        """Draw a line from side to side of two boxes, round those between them in one column; in its hub's colour."""
        (x1, y1), (x2, y2) = start, end
        out = 1 if x2 >= x1 else -1
        ax, bx = x1 + out * self.half_width, x2 + (self.half_width if x1 == x2 else -out * self.half_width)
        reach = min(14 + abs(y2 - y1) * 0.1, 34) if x1 == x2 else max(abs(bx - ax) * 0.45, 30)
        to = bx + reach if x1 == x2 else bx - out * reach
        self._strokes.append(
            f'<path class="{f"{hub} faint".strip() if faint else hub}" '
            f'marker-end="url(#{hub or ("faint" if faint else "head")})" '
            f'd="M{ax:.1f} {y1:.1f} C{ax + out * reach:.1f} {y1:.1f} {to:.1f} {y2:.1f} {bx:.1f} {y2:.1f}"/>'
        )

    def line(self, points: Sequence[Point], *, hub: str = "", faint: bool = False) -> None:
        """Draw a line through points, in a hub's colour."""
        way = " ".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self._strokes.append(f'<path class="{hub or ("faint" if faint else "")}" d="M{way}"/>')

    def dot(self, at: Point, *, full: bool, same: bool) -> None:
        """Draw one field of a grid: full where legal, a ring on the diagonal."""
        kind = "full" if full else "" if same else "none"
        self._strokes.append(f'<circle class="{kind}" cx="{at[0]}" cy="{at[1]}" r="6"/>')

    def words(self, at: Point, text: str, *, anchor: str = "middle", kind: str = "") -> None:
        """Write text at a point."""
        place = f'x="{at[0]:.1f}" y="{at[1]:.1f}"'
        self._strokes.append(f'<text class="{kind}" {place} text-anchor="{anchor}">{escape(text)}</text>')

    def slanted(self, at: Point, text: str) -> None:
        """Write a column's head, leaning."""
        self._strokes.append(f'<text transform="translate({at[0]} {at[1]}) rotate(-45)">{escape(text)}</text>')

    def text(self) -> str:
        """Return the SVG."""
        strokes = "".join(self._strokes)
        head = '<path d="M0 0 8 4 0 8z" style="fill:{};stroke:none;opacity:{}"/>'
        markers = "".join(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            f"{head.format(colour, opacity)}</marker>"
            for name, colour, opacity in (
                ("head", "currentColor", ".75"),
                ("faint", "currentColor", ".3"),
                *((name, colour, "1") for name, colour in HUBS.items() if f'"{name}' in strokes),
            )
        )
        size = f'viewBox="0 0 {self.width} {self.height}" style="width:100%;height:auto;max-width:{self.width}px"'
        return (
            f'<figure><svg class="tc" role="img" aria-label="{escape(self.title)}" {size}><style>{_STYLE}</style>'
            f"<defs>{markers}</defs>{strokes}</svg></figure>"
        )


def _edge(box: Point, towards: Point, half_width: float) -> Point:
    """Return where the line from a box's middle to a point leaves the box."""
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    scale = min(half_width / abs(dx) if dx else 9e9, HALF_HEIGHT / abs(dy) if dy else 9e9)
    return box[0] + dx * scale, box[1] + dy * scale
