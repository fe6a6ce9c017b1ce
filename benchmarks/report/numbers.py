"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.report.metrics import Metric, Value

MISSING = "–"


def number(metric: Metric, value: float | None) -> str:
    """One number with as many digits as it can bear, without its unit."""
    if value is None:
        return MISSING
    if metric.unit == "%":
        return f"{value:.2f}"
    if metric.unit == "":
        return _counted(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def _counted(value: float) -> str:
    """`7,850`, `407 k`, `1.63 M`."""
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    return f"{value / 1e3:.3g} k" if value >= 1e4 else f"{value:,.0f}"


def figure(metric: Metric, value: Value) -> str:
    """`92.10 % [91.55, 92.61]`: the number, its unit and its 95 % interval."""
    at, interval = value
    if at is None:
        return MISSING
    text = f"{number(metric, at)} {metric.unit}".strip()
    return f"{text} [{number(metric, interval[0])}, {number(metric, interval[1])}]" if interval else text


def milliseconds(microseconds: float | None) -> str:
    """Microseconds as milliseconds with three significant digits."""
    if microseconds is None:
        return MISSING
    value = microseconds / 1000
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def short_time(seconds: float) -> str:
    """Seconds in the unit that keeps the number readable: ns, us, ms or s."""
    for unit, scale in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < scale * 1000:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
