"""Where Winograd's algorithms evaluate polynomials, and the tables that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

FILTER = 3  # pixels


@dataclass(frozen=True)
class Points:
    """`pairs` of a point and its negative, 0 or not, and infinity, in this order in every transformed tile.

    The tables are those of one dimension, exact. With M(x) the product of (x - point) over all finite points, a tile is
    read as coefficients: what belongs to a point are the sums over the coefficients of M(x) / (x - point), and those of
    M(x) for infinity.
    """

    pairs: tuple[Fraction, ...]
    zero: bool

    @property
    def taps(self) -> int:
        """Positions in a transformed tile."""
        return 2 * len(self.pairs) + self.zero + 1

    @property
    def size(self) -> int:
        """Pixels that come out of a tile."""
        return self.taps - FILTER + 1

    @cached_property
    def powers(self) -> list[list[Fraction]]:
        """Of each pair's positive point, from 0 on, one for each pixel that comes out."""
        return [[point**power for power in range(self.size)] for point in self.pairs]

    @cached_property
    def parts(self) -> list[list[Fraction]]:
        """For each pair the coefficients, in x^2, of the product of (x^2 - point^2) over the others."""
        return [_product([other for other in self.pairs if other != point]) for point in self.pairs]

    @cached_property
    def whole(self) -> list[Fraction]:
        """The same over all of them."""
        return _product(list(self.pairs))

    @cached_property
    def filters(self) -> list[list[Fraction]]:
        """A filter's transform, (taps, FILTER)."""
        finite = [signed for point in self.pairs for signed in (point, -point)] + [Fraction(0)] * self.zero
        rows = []
        for point in finite:
            slope = math.prod((point - other for other in finite if other != point), start=Fraction(1))
            rows.append([point**power / slope for power in range(FILTER)])
        return [*rows, [Fraction(0)] * (FILTER - 1) + [Fraction(1)]]


def _product(points: list[Fraction]) -> list[Fraction]:
    """The coefficients of the product of (x - point^2), from the constant one on."""
    found = [Fraction(1)]
    for point in points:
        found = [low - point**2 * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


def _points(*pairs: str, zero: bool) -> Points:
    return Points(tuple(map(Fraction, pairs)), zero)


# Those with the smallest errors of all that were tried, see `training/LOG.md`.
POINTS = {
    points.size: points for points in (
        _points("1", zero=True),
        _points("3/4", "3/2", zero=True),
        _points("1/4", "2/3", "8/7", "9/4", zero=False),
    )
}
