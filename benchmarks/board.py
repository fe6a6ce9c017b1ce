"""What was measured of the models, in one small file that a server reads for its page: models/leaderboard.json.

    python -m benchmarks.board                                 from the committed results (make readme does it)
    python -m benchmarks.board --runs benchmarks/runs          from the newest runs on this machine
    python -m benchmarks.board --runs … --output board.json    elsewhere; WEIGHBRIDGE_LEADERBOARD=board.json shows it

A row is a configuration of a weighing, with its capacity, and with the latency of a comparison where one of the same
machine ran the same file in the same way, else with that of the weighing's own load. A comparison sends half of what a
closed loop got through, a weighing half of the capacity; these are different rates, so each row says its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Literal

from benchmarks.commands.shared import file
from benchmarks.comparison.publish import RESULTS
from benchmarks.decision.explain import makes_no_difference
from benchmarks.decision.merits import bracket_of
from benchmarks.decision.names import batching
from benchmarks.decision.publish import published
from benchmarks.decision.trades import trades
from benchmarks.machine.children import ROOT
from benchmarks.machine.fingerprint import cpu_and_cores, slug
from service.board import FILE, Board, BoardFile, Decision, Figure, Row
from service.card import write_atomically

Result = dict[str, Any]
HALF = 0.5  # of the throughput of a closed loop
OUTPUT = ROOT / "models" / FILE


def committed() -> list[Result]:
    """The published comparisons and decisions."""
    return [json.loads(path.read_bytes()) for path in (*sorted(RESULTS.glob("*.json")), *published())]


def newest(runs: Path) -> list[Result]:
    """The newest valid comparison and weighing of a folder of runs; short ones, as the demo's, claim no figures."""
    found: list[Result] = []
    for name in ("result.json", "decision.json"):
        results = [json.loads(path.read_bytes()) for path in runs.glob(f"*/{name}")]
        usable = [each for each in results if each.get("validity", {}).get("valid") and each.get("machine")
                  and (each.get("models") or each.get("configurations")) and not _screening(each)]
        found += sorted(usable, key=lambda each: str(each["finished"]))[-1:]
    return found


def _screening(result: Result) -> bool:
    return bool((result.get("settings") or result.get("wish") or {}).get("screening"))


def boards(results: list[Result]) -> BoardFile:
    """One board per machine."""
    machines: dict[str, list[Result]] = {}
    for result in results:
        machines.setdefault(slug(result["machine"]), []).append(result)
    return BoardFile(boards=[_board(found) for _, found in sorted(machines.items())])


def text(file: BoardFile) -> str:
    """The file's content."""
    return file.model_dump_json(indent=1, exclude_none=True) + "\n"


def _board(results: list[Result]) -> Board:
    compared = next((each for each in results if "models" in each), None)
    weighed = [each for each in results if "configurations" in each]  # one per data set
    latest = max(results, key=lambda each: each["finished"])
    latencies = {} if compared is None else {_key_of(model, compared): _latency(model, compared)
                                             for model in compared["models"]}
    rows = [_row(entry, latencies, each["wish"]) for each in weighed for entry in each["configurations"]
            if entry["artifact"]  # else it stands in the matrix with the reason why it could not be tried
            and not makes_no_difference(entry)]
    known = {(row.sha256, row.runtime, row.threads, row.workers) for row in rows}
    rows += [row for key, row in latencies.items() if key not in known]
    machine = latest["machine"]
    return Board(
        machine=cpu_and_cores(machine), cores="; ".join(sorted({each["cores"] for each in results})), load=_load(rows),
        measured=latest["finished"][:10], commit=machine["commit"], command=[each["command"] for each in results],
        rows=rows, decisions=[_decision(each) for each in weighed if each["decision"]["recommended"]],
    )


def _load(rows: list[Row]) -> str | None:
    halves = sorted({row.half_of for row in rows if row.half_of}, reverse=True)
    return f"Poisson arrivals at half of the {' or of the '.join(halves)}, from the intended start" if halves else None


def _key_of(model: Result, result: Result) -> tuple[str, str, int, int]:
    settings = result["settings"]
    return model["artifact"]["sha256"], settings["runtime"], settings["threads"], 1


def _latency(model: Result, result: Result) -> Row:
    """A model of a comparison: throughput of the closed load, latency under Poisson load at half of that."""
    believed = [load for load in model["loads"] if load["validity"]["valid"]]
    half = next((load for load in believed if load["arrival"] == "poisson" and load["utilisation"] == HALF), None)
    closed = next((load for load in believed if load["name"] == "closed"), None)
    response = half["response_us"] if half else None
    sha256, runtime, threads, workers = _key_of(model, result)
    return Row(
        model=model["id"], sha256=sha256, runtime=runtime, threads=threads, workers=workers,
        p50_ms=_ms(response, "p50") if response else None, p99_ms=_ms(response, "p99") if response else None,
        rate=half["rate_achieved"] if half else None, half_of="closed-loop throughput" if half else None,
        throughput=Figure(value=closed["throughput"]["per_second"], interval=closed["throughput"]["interval"])
        if closed else None,
    )


def _ms(response: Result, quantile: str) -> Figure:
    low, high = response["intervals"][quantile]
    return Figure(value=round(response[quantile] / 1000, 4), interval=(round(low / 1000, 4), round(high / 1000, 4)))


def _row(entry: Result, latencies: dict[tuple[str, str, int, int], Row], wish: Result) -> Row:
    sha256 = entry["artifact"]["sha256"]
    same = latencies.get((sha256, entry["runtime"], entry["threads"], entry["workers"]))
    usual = entry["usual_policy"] and entry["device"] == "cpu"
    told = _half_loaded(entry, wish["slo"])
    if same and usual:
        names = ("p50_ms", "p99_ms", "rate", "half_of", "throughput")
        told |= {name: known for name in names if (known := getattr(same, name))}
    return Row(
        model=entry["model"], sha256=sha256, runtime=entry["runtime"], device=entry["device"],
        threads=entry["threads"], workers=entry["workers"], batching=batching(entry) or None,
        capacity=bracket_of(entry), ended_by=_ended_by(entry), objective=wish["objective_text"],
        core_seconds=entry["cost"]["core_seconds"] if entry["cost"] else None,
        reason=None if bracket_of(entry) else _reason(entry), **told,
    )


def _ended_by(entry: Result) -> Literal["generator", "machine"] | None:
    """Who set the upper end of the capacity, where it was not the server."""
    if not bracket_of(entry) or not entry["capacity"]["blame"]:
        return None
    return "machine" if entry["capacity"]["bound_by"] == "machine" else "generator"


def _reason(entry: Result) -> str | None:
    """Why a configuration has no capacity: nobody measured it, and why, or it kept the objective at no rate."""
    return "; ".join(reason.splitlines()[0] for reason in entry["reasons"]) or None


def _half_loaded(entry: Result, slo: str) -> dict[str, Any]:
    """What a weighing itself says of latency: its objective's percentile at half of the capacity, where that is p99."""
    half = next((part["rate"] for part in entry["parts"] if part["label"] == "half of capacity"), None)
    point = next((point for point in entry["curve"] if point["rate"] == half), None)
    if point is None or not slo.startswith("p99="):
        return {}
    told = point["interval_us"]
    interval = (round(told[0] / 1000, 4), round(told[1] / 1000, 4)) if told else None
    p99 = Figure(value=round(point["percentile_us"] / 1000, 4), interval=interval)
    return {"rate": half, "half_of": "capacity", "p99_ms": p99}


def _decision(result: Result) -> Decision:
    found, wish = result["decision"], result["wish"]
    best = next(each for each in result["configurations"] if each["id"] == found["recommended"])
    return Decision(
        dataset=", ".join(sorted({split["dataset"] for split in result["datasets"].values()})),
        recommended=best["model"], sentence=found["sentence"], because=found["because"],
        trades=trades(result["configurations"], wish), caveats=found["caveats"], command=found["command"],
        pinned_to=best["pinned_to"],
        objective=wish["objective_text"], min_accuracy=wish["min_accuracy"], rate=wish["rate"],
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the file; 1 with the reason where nothing was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.board", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="a folder of runs on this machine, instead of the committed results")
    parser.add_argument("--output", type=file, default=OUTPUT, help="file (default: models/leaderboard.json)")
    options = parser.parse_args(arguments)
    results = committed() if options.runs is None else newest(options.runs)
    if not results:
        where = options.runs or RESULTS
        sys.stderr.write(f"error: no valid result in {where}; python -m benchmarks measures\n")
        return 1
    sys.stdout.write(f"{write_atomically(options.output, text(boards(results)).encode())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
