"""What `python -m export quantize` recorded, as a table for the documents: gains, losses and refusals alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

Record = dict[str, Any]
HEAD = ("| Model | int8 for | Accuracy, points | Time for one image | Time per batch | File | |\n"
        "|---|---|---:|---:|---:|---:|---|")


def int8_table(records: Sequence[Record]) -> str:
    """One table for each machine, with the sentence that must stand under it; nothing where nothing is recorded."""
    found = sorted(records, key=lambda record: (_machine(record), record["model"]))
    return "\n\n".join(_one(list(own)) for _, own in groupby(found, key=_machine))


def _one(records: list[Record]) -> str:
    rows = [_row(record, tried) for record in records for tried in record["tried"]]
    images = sorted({record["held_out"] for record in records})
    versions = sorted({_onnxruntime(record) for record in records})
    days = sorted({record["made_by"]["date"][:10] for record in records})
    told = ("Times are those of int8 over those of float32, one thread, with 95 % intervals; accuracies are paired, "
            f"on the {_range([f'{count:,}' for count in images])} images that each run held out. "
            f"{_machine(records[0])}, ONNX Runtime {_range(versions)}, {_range(days)}.")
    return "\n".join([HEAD, *rows, "", told])


def _row(record: Record, tried: dict[str, Any]) -> str:
    accuracy = tried["accuracy"]
    points = f"{100 * accuracy['difference']:+.2f} [{100 * accuracy['low']:+.2f}, {100 * accuracy['high']:+.2f}]"
    alone, joined = [*map(_time, tried["speed"]), "–", "–"][:2]
    if record["chosen"] == tried["plan"]:
        what = "**served**"
    elif tried["refused"] is None:
        what = "the other is quicker"
    else:
        what = f"refused: {tried['refused'].split(':')[0].split(' on ')[0]}"
    size = f"{tried['size_bytes'] / 1000:,.0f} of {record['float32_bytes'] / 1000:,.0f} kB"
    return f"| {record['model'].split('@')[0]} | {tried['plan']} | {points} | {alone} | {joined} | {size} | {what} |"


def _time(speed: dict[str, Any]) -> str:
    ratio = speed["int8"]
    batch = "" if speed["batch"] == 1 else f", {speed['batch']} images"
    return f"{ratio['at']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]{batch}"


def _range(found: list[str]) -> str:
    """The first and the last of what is sorted, once where they are the same."""
    return " to ".join(dict.fromkeys((found[0], found[-1])))


def _onnxruntime(record: Record) -> str:
    versions: dict[str, str] = record["made_by"]["versions"]
    return versions.get("onnxruntime-gpu") or versions["onnxruntime"]


def _machine(record: Record) -> str:
    machine = record["machine"]
    return f"{machine['cpu']}, {machine['cores']} cores ({', '.join(machine['flags'])})"
