"""Before any load: what need not be load-tested, because it is too inaccurate or another one is better at everything.

The bare runtime says so in seconds. A configuration is dominated where another one, for images of the same shape and on
no more cores, is at least as accurate and its graph clearly quicker; then its capacity cannot be higher either.
"""

from __future__ import annotations

from typing import Any

CLEARLY = 1.25       # times slower, median against the other's p90
MATTERS_US = 50.0    # microseconds; less than that drowns in HTTP

Entry = dict[str, Any]


def dominated_by(entry: Entry, entries: list[Entry]) -> str | None:
    """The reason why an entry cannot win, naming who is better; None where nobody is, or nothing is known."""
    for other in entries:
        if other is not entry and not other["unavailable"] and _better(other, entry):
            ours, theirs = entry["forward_us"]["p50"], other["forward_us"]["p50"]
            return (f"dominated: {other['label']} is at least as accurate and takes {theirs:.0f} µs instead of "
                    f"{ours:.0f} µs for an image alone")
    return None


def _better(other: Entry, entry: Entry) -> bool:
    if not (entry["forward_us"] and other["forward_us"] and entry["card_accuracy"] and other["card_accuracy"]):
        return False
    ours, theirs = entry["forward_us"]["p50"], other["forward_us"]["p90"]
    return bool(
        other["image_shape"] == entry["image_shape"]
        and other["cores"] <= entry["cores"]
        and other["card_accuracy"]["top1"] >= entry["card_accuracy"]["top1"]
        and ours > CLEARLY * theirs
        and ours - theirs > MATTERS_US
    )
