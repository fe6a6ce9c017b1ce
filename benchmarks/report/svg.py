"""A small chart as SVG text, for documents: the same bytes for the same values, light and dark, no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.report.markup import Markup, el, join

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 18, 48
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1b1f24 } .soft { fill: #5a6472 } .grid { stroke: #dde1e7 }
.wish { stroke: #c0362c; stroke-dasharray: 6 4 } .front { stroke: #8a94a3; fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e8eaed } .soft { fill: #9aa4b2 } .grid { stroke: #333a44 } .wish { stroke: #ff7b72 }
}
"""


Box = tuple[float, float, float, float]  # from left to right and from top to bottom
BESIDE = 9                          # pixels between a point and its text
HEIGHTS = (-9, 18, -25, 34, -41, 50)  # of a text's base line below its point
OTHERWISE = 10                      # pixels that a text would rather be further away than on the other side
LETTER, ASCENT, DESCENT = 7.0, 12, 3  # pixels, about


def _box(a: float, b: float, text: str, left: bool, height: float) -> Box:
    begin = a - BESIDE - LETTER * len(text) if left else a + BESIDE
    return begin, begin + LETTER * len(text), b + height - ASCENT, b + height + DESCENT


@dataclass
class Axis:
    """Values from `low` to `high` along a side of the chart."""

    low: float
    high: float
    title: str
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, 0 to 1."""
        if self.logarithmic:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values, five or so; of a logarithmic axis 1, 2 and 5 of every decade."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
        else:
            raw = (self.high - self.low) / 5
            unit = 10 ** math.floor(math.log10(raw))
            step = next(unit * digit for digit in (1, 2, 5, 10) if unit * digit >= raw)
            first = math.ceil(self.low / step)
            every = [n * step for n in range(first, math.floor(self.high / step) + 1)]
        return [value for value in every if self.low <= value <= self.high]


@dataclass
class Chart:
    """Marks, bars and lines over two axes; `svg()` at the end."""

    x: Axis
    y: Axis
    title: str    # what it shows, for those who cannot see it
    _parts: list[Markup] = field(default_factory=list)
    _taken: list[Box] = field(default_factory=list)  # by texts beside points

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies on the paper."""
        return (round(LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT), 1),
                round(HEIGHT - BOTTOM - self.y.share(y) * (HEIGHT - TOP - BOTTOM), 1))

    def line(self, points: Sequence[tuple[float, float]], *, colour: str | None = None, class_: str | None = None,
             stairs: bool = False) -> None:
        """A line through points; as stairs it goes up first and then sideways."""
        placed = [self.at(*point) for point in points]
        if stairs:
            placed = placed[:1] + [corner for (x, _), (u, v) in pairwise(placed)
                                   for corner in ((x, v), (u, v))]
        told = " ".join(f"{x:g},{y:g}" for x, y in placed)
        self._parts.append(el("polyline", points=told, fill="none", stroke=colour, stroke_width=2, class_=class_))

    def bars(self, x: tuple[float, float], y: tuple[float, float], middle: tuple[float, float], colour: str) -> None:
        """An interval in each direction through a point."""
        for (a, b), (c, d) in ((self.at(x[0], middle[1]), self.at(x[1], middle[1])),
                               (self.at(middle[0], y[0]), self.at(middle[0], y[1]))):
            self._parts.append(el("line", x1=a, y1=b, x2=c, y2=d, stroke=colour, stroke_width=1.5))

    def mark(self, x: float, y: float, *, colour: str, filled: bool = True) -> None:
        """A point."""
        a, b = self.at(x, y)
        self._parts.append(el("circle", cx=a, cy=b, r=5, stroke=colour, stroke_width=2,
                              fill=colour if filled else "none"))

    def text(self, x: float, y: float, text: str, *, below: bool = False) -> None:
        """A text beside a point, on the side where it stays on the paper, and where no other text is yet."""
        a, b = self.at(x, y)
        left = a > WIDTH * 0.6
        heights = sorted(HEIGHTS, key=lambda height: abs(height) + OTHERWISE * ((height > 0) != below))
        places = [(side, height) for height in heights for side in (left, not left)]
        free = (place for place in places if self._is_free(a, b, text, *place))
        left, height = next(free, places[0])
        self._taken.append(_box(a, b, text, left, height))
        self._parts.append(el("text", text, x=a - BESIDE if left else a + BESIDE, y=b + height,
                              text_anchor="end" if left else "start"))

    def _is_free(self, a: float, b: float, text: str, left: bool, height: float) -> bool:
        box = _box(a, b, text, left, height)
        inside = box[0] >= LEFT and box[1] <= WIDTH and box[2] >= 0 and box[3] <= HEIGHT - BOTTOM
        return inside and not any(box[0] < other[1] and other[0] < box[1] and box[2] < other[3] and other[2] < box[3]
                                  for other in self._taken)

    def limit(self, text: str, *, x: float | None = None, y: float | None = None) -> None:
        """A dashed line at a value that was asked for."""
        if x is not None and self.x.low <= x <= self.x.high:
            a, _ = self.at(x, self.y.low)
            self._parts.append(el("line", x1=a, y1=TOP, x2=a, y2=HEIGHT - BOTTOM, class_="wish"))
            self._parts.append(el("text", text, x=a + 4, y=HEIGHT - BOTTOM - 6, class_="soft"))
        if y is not None and self.y.low <= y <= self.y.high:
            _, b = self.at(self.x.low, y)
            self._parts.append(el("line", x1=LEFT, y1=b, x2=WIDTH - RIGHT, y2=b, class_="wish"))
            self._parts.append(el("text", text, x=LEFT + 4, y=b - 5, class_="soft"))

    def svg(self) -> str:
        """The whole file."""
        grid: list[Markup] = []
        for value in self.x.ticks():
            a, _ = self.at(value, self.y.low)
            grid += [el("line", x1=a, y1=TOP, x2=a, y2=HEIGHT - BOTTOM, class_="grid"),
                     el("text", f"{value:,g}", x=a, y=HEIGHT - BOTTOM + 18, text_anchor="middle", class_="soft")]
        for value in self.y.ticks():
            _, b = self.at(self.x.low, value)
            grid += [el("line", x1=LEFT, y1=b, x2=WIDTH - RIGHT, y2=b, class_="grid"),
                     el("text", f"{value:,g}", x=LEFT - 8, y=b + 4, text_anchor="end", class_="soft")]
        middle = (TOP + HEIGHT - BOTTOM) / 2
        titles = [el("text", self.x.title, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 8, text_anchor="middle"),
                  el("text", self.y.title, x=16, y=middle, text_anchor="middle",
                     transform=f"rotate(-90 16 {middle:g})")]
        inside = join([el("title", self.title), el("style", Markup(STYLE)), *grid, *titles, *self._parts])
        drawn: str = el("svg", inside, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")
        return drawn + "\n"
