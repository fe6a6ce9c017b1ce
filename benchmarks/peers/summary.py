"""From raw rows to what is said of them: medians over rounds, and ratios to the bare server within each round."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.peers.contenders import BARE

Row = dict[str, Any]
Summary = dict[str, Any]  # {"n", "median", "low", "high"}


def spread(values: Iterable[float]) -> Summary | None:
    """Median, least and most of the rounds; None without any."""
    found = sorted(values)
    if not found:
        return None
    return {"n": len(found), "median": round(median(found), 4), "low": round(found[0], 4), "high": round(found[-1], 4)}


def summarise(rows: list[Row]) -> list[dict[str, Any]]:
    """One entry per contender, kind and form.

    `ratio` compares with bare in the same round, so that a slow quarter of an hour does not count against anyone;
    `vs_one` of two workers compares with the contender's own single worker. `flaws` counts answers that were not 200,
    broken connections, timeouts, and `unread` ones: the answers that our own client could not make sense of.
    """
    by_key = {(row["contender"], row["kind"], row["form"], row["round"]): row for row in rows}
    found = []
    for contender, kind, form in dict.fromkeys((row["contender"], row["kind"], row["form"]) for row in rows):
        mine = [row for row in rows if (row["contender"], row["kind"], row["form"]) == (contender, kind, form)]
        pairs = [(row, by_key.get((BARE, kind, form, row["round"]))) for row in mine]
        ones = [(row, by_key.get((contender, "closed", form, row["round"]))) for row in mine]
        found.append({
            "contender": contender, "kind": kind, "form": form,
            "per_second": spread(_rate(row) for row in mine),
            "p50_us": spread(row["p50_us"] for row in mine if row["p50_us"] is not None),
            "p99_us": spread(row["p99_us"] for row in mine if row["p99_us"] is not None),
            "ratio": spread(_rate(row) / _rate(bare) for row, bare in pairs if bare and bare["requests"]),
            "p99_ratio": spread(row["p99_us"] / bare["p99_us"] for row, bare in pairs
                                if bare and bare["p99_us"] and row["p99_us"]),
            "vs_one": spread(_rate(row) / _rate(one) for row, one in ones
                             if kind == "two-workers" and one and one["requests"]),
            "client_cpu": round(median(row["client_cpu"] for row in mine), 2),
            "server_cpu": round(median(row["server_cpu"] for row in mine), 2),
            "requests": sum(row["requests"] for row in mine),
            "flaws": sum(row["not_200"] + row["broken"] + row["timeouts"] + _unread(row) for row in mine),
            "unread": sum(map(_unread, mine)),
        })
    return found


def _unread(row: Row) -> int:
    return int(row.get("unread", 0))  # wrk has no such count


def _rate(row: Row) -> float:
    return float(row["requests"] / row["seconds"])
