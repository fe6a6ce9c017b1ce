"""What configurations are called: in full, and among each other, where what all have in common is said only once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.report.numbers import listed

Fields = Mapping[str, Any]


def full_name(one: Fields) -> str:
    """`fm-fast, onnxruntime, 1 thread`, with what is not usual behind it."""
    return ", ".join([one["model"].split("@")[0], *filter(None, _aspects(one))])


def short_names(entries: Sequence[Fields]) -> dict[str, str]:
    """By id: the model, with its version where there are two of it, and whatever is not the same for all."""
    models = {entry["model"] for entry in entries}
    versions = len(models) > len({model.split("@")[0] for model in models})
    differ = [len(set(values)) > 1 for values in zip(*map(_aspects, entries), strict=True)]
    return {
        entry["id"]: ", ".join([
            entry["model"] if versions else entry["model"].split("@")[0],
            *(aspect for aspect, differs in zip(_aspects(entry), differ, strict=True) if differs and aspect),
        ]) for entry in entries
    }


def in_a_row(names: Iterable[str]) -> str:
    """Short names as a list in words: `a, b (no batching) and c`, since what tells them apart has commas itself."""
    told = []
    for name in names:
        model, _, aspects = name.partition(", ")
        told.append(f"{model} ({aspects})" if aspects else model)
    return listed(told)


def in_common(entries: Sequence[Fields]) -> str:
    """What `short_names` leaves out: `onnxruntime, 1 thread`; empty where all of it differs."""
    shared = (set(values) for values in zip(*map(_aspects, entries), strict=True))
    return ", ".join(aspect for values in shared if len(values) == 1 and (aspect := values.pop()))


def _aspects(one: Fields) -> tuple[str, str, str, str]:
    """Runtime, cores, device and batching in words; of the last two nothing where they are as usual."""
    cores = f"{one['threads']} thread{'s' if one['threads'] > 1 else ''}"
    cores += f", {one['workers']} workers" if one["workers"] > 1 else ""
    return one["runtime"], cores, "on CUDA" if one["device"] == "cuda" else "", batching(one)


def batching(one: Fields) -> str:
    """Its batch policy; nothing where it is as usual."""
    if one["usual_policy"]:
        return ""
    return "no batching" if one["max_batch"] == 1 else f"batches of {one['max_batch']}" + (
        f" that wait {one['max_wait_ms']:g} ms" if one["max_wait_ms"] else "")
