"""The small chart: texts beside points keep out of each other's way."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from benchmarks.report.svg import LETTER, Axis, Chart


def boxes(chart: Chart) -> dict[str, tuple[float, float, float, float]]:
    found = {}
    for x, y, anchor, text in re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(start|end)">(.*?)</text>',
                                         chart.svg()):
        width = LETTER * len(text)
        left = float(x) - (width if anchor == "end" else 0)
        found[text] = (left, left + width, float(y) - 12, float(y) + 3)
    return found


@pytest.mark.parametrize("below", [False, True])
def test_names_of_points_that_lie_close_together_do_not_cover_each_other(below: bool) -> None:
    chart = Chart(Axis(0, 1000, "x"), Axis(80, 100, "y"), "points")
    names = ["one", "another one with a long name", "a third", "a fourth one", "the fifth"]
    for place, name in enumerate(names):
        chart.text(400 + 20 * place, 90, name, below=below)

    found = boxes(chart)

    assert list(found) == names
    for one, other in combinations(found.values(), 2):
        assert one[0] >= other[1] or other[0] >= one[1] or one[2] >= other[3] or other[2] >= one[3]


def test_a_name_that_is_alone_stands_where_it_was_wanted() -> None:
    chart = Chart(Axis(0, 10, "x"), Axis(0, 10, "y"), "points")
    chart.text(2, 5, "above")
    chart.text(8, 5, "below", below=True)

    found = boxes(chart)

    (_, middle), (a, _), (b, _) = chart.at(2, 5), chart.at(2, 5), chart.at(8, 5)
    assert found["above"][0] > a
    assert found["above"][3] < middle < found["below"][2]
    assert found["below"][1] < b
