"""The roofline as a picture: what one thread can do at most against operations per byte, and where the models are."""

from __future__ import annotations

from typing import Any

from benchmarks.report.figures import colour
from benchmarks.report.svg import WIDTH, Axis, Chart

Result = dict[str, Any]
Box = tuple[float, float, float, float]  # left, top, right, bottom
LETTER = 6.8  # pixels
CROWDED = 1   # labels or marks that a name may not lie upon


def draw(result: Result) -> str | None:
    """SVG of the rows with one thread; None where there is none."""
    rows = [row for row in result["rows"] if row["threads"] == 1]
    peaks = next((each for each in result["peaks"] if each["threads"] == 1), None)
    if not rows or peaks is None:
        return None
    copy = max(peaks["copy_gbytes"].values())
    top = max(peaks["float32_gops"], peaks["int8_gops"])
    across = [row["intensity"] for row in rows] + [top / copy]
    low, high = min(across) / 2, max(across) * 4
    chart = Chart(
        Axis(low, high, "operations per byte", logarithmic=True),
        Axis(min(*(row["gops"] for row in rows), copy * low) / 2, 2 * top, "10⁹ operations per second",
             logarithmic=True),
        "Roofline: what one thread can do at most, and what each model reaches",
    )
    for name, peak in (("float32", peaks["float32_gops"]), ("int8", peaks["int8_gops"])):
        knee = max(low, peak / copy)
        chart.line([(low, copy * low), (knee, peak), (high, peak)] if knee > low else [(low, peak), (high, peak)],
                   class_="front")
        chart.text(high, peak, f"{name}: {peak:,.0f}", below=peak < top)
    models = sorted({row["model"] for row in rows})
    for row in rows:
        chart.mark(row["intensity"], row["gops"], colour=colour(models.index(row["model"])), filled=row["batch"] > 1)
    written = [_box(chart, row["intensity"], row["gops"], "", below=False) for row in rows]  # the marks themselves
    for row in sorted(rows, key=lambda row: -row["batch"]):
        name = f"{_named(row)}, {row['batch']}"
        below = min((False, True), key=lambda side: sum(
            _meet(_box(chart, row["intensity"], row["gops"], name, below=side), other) for other in written))
        box = _box(chart, row["intensity"], row["gops"], name, below=below)
        if sum(_meet(box, other) for other in written) < CROWDED:
            chart.text(row["intensity"], row["gops"], name, below=below)
            written.append(box)
    return chart.svg()


def _named(row: dict[str, Any]) -> str:
    short: str = row["model"].split("@")[0]
    return short if row["runtime"] == "onnxruntime" else f"{short}, {row['runtime'].removeprefix('onnxruntime-')}"


def _box(chart: Chart, x: float, y: float, text: str, *, below: bool) -> Box:
    """Where `chart.text` would write, in pixels; of an empty text the mark."""
    a, b = chart.at(x, y)
    if not text:
        return a - 6, b - 6, a + 6, b + 6
    width = LETTER * len(text)
    left = a - 9 - width if a > WIDTH * 0.6 else a + 9
    return left, b + (7 if below else -21), left + width, b + (20 if below else -8)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
