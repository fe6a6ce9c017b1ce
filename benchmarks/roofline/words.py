"""A roofline in words: the table of the documents and of the terminal, and the sentence that must stand under it."""

from __future__ import annotations

from typing import Any

from benchmarks.machine.fingerprint import cpu_name

Result = dict[str, Any]
COLUMNS = ("Model", "Runtime", "Threads", "Batch", "Operations per image", "Operations per byte", "Time per image",
           "10⁹ operations/s", "Share of the limit", "Limited by")


def cells(row: dict[str, Any]) -> list[str]:
    """One row of the table."""
    ops = (row["float32_ops"] + row["int8_ops"]) / row["batch"]
    share = row["share"]
    return [
        row["model"].split("@")[0], row["runtime"], str(row["threads"]), str(row["batch"]), _count(ops),
        f"{row['intensity']:.1f}", f"{row['us'] / row['batch']:,.1f} µs", f"{row['gops']:,.1f}",
        f"{share['at']:.0%} [{share['low']:.0%}, {share['high']:.0%}]", row["bound"],
    ]


def table(result: Result) -> str:
    """Markdown, the models with most operations first."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|---|" + "---:|" * 7 + "---|"]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in ordered(result)]
    return "\n".join([*lines, "", sentence(result)])


def ordered(result: Result) -> list[dict[str, Any]]:
    """The rows: by model, the one with most operations first, then threads, runtime and batch."""
    heaviest = {row["model"]: row["float32_ops"] + row["int8_ops"] for row in result["rows"] if row["batch"] == 1}
    return sorted(result["rows"], key=lambda row: (-heaviest.get(row["model"], 0), row["model"], row["threads"],
                                                   row["runtime"], row["batch"]))


def sentence(result: Result) -> str:
    """What the shares are shares of, where and when."""
    peaks = [
        f"{each['threads']} thread{'s' if each['threads'] > 1 else ''}: {each['float32_gops']:,.0f} in float32, "
        f"{each['int8_gops']:,.0f} in int8; copies "
        f"{min(each['copy_gbytes'].values()):,.0f} to {max(each['copy_gbytes'].values()):,.0f} GB/s by size"
        for each in result["peaks"]
    ]
    left = "".join(f" Left out: {each['model']} on {each['runtime']} ({each['reason']})."
                   for each in result["left_out"])
    machine, day = result["machine"], result["created"][:10]
    return ("Peaks measured in the same run, in 10⁹ operations per second of ONNX Runtime's own matrix products: "
            f"{'. '.join(peaks)}. Shares and their 95 % intervals are within rounds of the same run. "
            f"{cpu_name(machine)}, {machine['usable_cores']} cores, {day}; `{result['command']}`.{left}")


def _count(number: float) -> str:
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number:g}"
