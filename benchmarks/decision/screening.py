"""Before any load: what need not be load-tested, because it is too inaccurate or another one is better at everything.

The bare runtime says so in seconds. A configuration is dominated where another one, for images of the same shape and on
no more cores, is at least as accurate and its graph clearly quicker, alone and in the best batch, in as many workers;
then its capacity cannot be higher either. Or where one is more accurate and as quick. Only what is not dominated itself
dominates another one: "as quick" may not add up along a chain. And a batch policy that the service would never act on,
because joining requests does not pay for this graph, is another one's twin.
"""

from __future__ import annotations

from typing import Any

from benchmarks.decision.explain import TWIN
from benchmarks.decision.names import short_names
from service.lanes import saves

CLEARLY = 1.25       # times slower, median against the other's p90
MATTERS_US = 50.0    # microseconds; less than that drowns in HTTP
SAME_US = 10.0       # microseconds; closer than that, two graphs are as quick as each other

Entry = dict[str, Any]


def dominated(entries: list[Entry]) -> dict[str, str]:
    """By the id of each entry that cannot win, the reason, naming who is better."""
    names, found = short_names(entries), dict[str, str]()
    for entry in entries:
        if twin := _twin(entry, entries):
            alone, joined = entry["forward_us"]["p50"], entry["forward_us"]["joined"]
            found[entry["id"]] = (
                f"{TWIN} {names[twin['id']]}: joining requests does not pay for it ({alone:.0f} µs for an image "
                f"alone, {joined:.0f} µs in the best batch), so the service never joins any")
    known = [entry for entry in entries if entry["forward_us"] and entry["card_accuracy"]]
    # Whoever dominates is at least as accurate, and of two that are alike the quicker one: so it had its turn before.
    for entry in sorted(known, key=lambda each: (-each["card_accuracy"]["top1"], each["forward_us"]["p50"])):
        rivals = [other for other in known if other["id"] not in found and other is not entry]
        if entry["id"] not in found and (reason := _dominated_by(entry, rivals, names)):
            found[entry["id"]] = reason
    return found


def _dominated_by(entry: Entry, rivals: list[Entry], names: dict[str, str]) -> str | None:
    rivals = [other for other in rivals if not other["unavailable"] and _comparable(other, entry)]
    # Of several that dominate, the most accurate of the clearly quicker ones is named, in whatever order they came.
    rivals.sort(key=lambda other: (not _quicker(other, entry), -other["card_accuracy"]["top1"],
                                   other["forward_us"]["p50"]))
    for other in rivals:
        ours, theirs = entry["forward_us"]["p50"], other["forward_us"]["p50"]
        if _quicker(other, entry):
            return (f"dominated: {names[other['id']]} is at least as accurate and takes {theirs:.0f} µs instead of "
                    f"{ours:.0f} µs for an image alone")
        if _more_accurate_and_as_quick(other, entry):
            quick = "takes" if theirs < ours else "is as quick:"
            return (f"dominated: {names[other['id']]} is more accurate and {quick} {theirs:.0f} µs instead of "
                    f"{ours:.0f} µs for an image alone")
    return None


def _comparable(other: Entry, entry: Entry) -> bool:
    """Whether the other one, of two that are known, asks for nothing that this one does without."""
    return bool(
        other["image_shape"] == entry["image_shape"]
        and other["device"] in (entry["device"], "cpu")  # a GPU costs more than none
        and other["cores"] <= entry["cores"]
    )


def _quicker(other: Entry, entry: Entry) -> bool:
    ours, theirs = entry["forward_us"]["p50"], other["forward_us"]["p90"]
    return bool(other["card_accuracy"]["top1"] >= entry["card_accuracy"]["top1"]
                and other["workers"] >= entry["workers"]  # several at once bear more than one that is quicker
                and ours > CLEARLY * theirs and ours - theirs > MATTERS_US and _joined_as_quickly(other, entry))


def _more_accurate_and_as_quick(other: Entry, entry: Entry) -> bool:
    same = ("runtime", "device", "threads", "workers", "max_batch", "max_wait_ms")
    return bool(other["card_accuracy"]["top1"] > entry["card_accuracy"]["top1"]
                and all(other[key] == entry[key] for key in same)
                and other["forward_us"]["p50"] - entry["forward_us"]["p50"] < SAME_US
                and _joined_as_quickly(other, entry))


def _joined_as_quickly(other: Entry, entry: Entry) -> bool:
    """Whether it is no slower per image in its best batch: what is slow alone, as a GPU, may bear more when joined."""
    ours, theirs = entry["forward_us"].get("joined"), other["forward_us"].get("joined")
    return ours is None or (theirs is not None and theirs - ours < SAME_US)


def _twin(entry: Entry, entries: list[Entry]) -> Entry | None:
    """The configuration that does the same with the usual policy, where the policy makes no difference."""
    forward = entry["forward_us"]
    if entry["usual_policy"] or not forward or forward.get("joined") is None:
        return None
    if saves(forward["p50"] / 1e6, forward["joined"] / 1e6):
        return None
    same = ("model", "runtime", "device", "threads", "workers")
    return next((other for other in entries if other["usual_policy"] and not other["unavailable"]
                 and all(other[key] == entry[key] for key in same)), None)
