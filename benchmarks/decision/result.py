"""From the rows of a decision to `decision.json`, the only thing its tables and pages are made from.

    schema_version, run_id, created, finished, command
    wish            slo, min_accuracy, rate, objective, price_per_hour, ...; objective_text is the SLO in words
    machine, cores, warnings, calibration {floor_p50_us, floor_p99_us, most_rate, limited_by, reach}
    datasets        as in `benchmarks.comparison.result`
    left_out        [sentences about what the matrix does not hold]
    refined         [ids of those that got every axis after the first pass, best first]
    configurations  [{id, label, model, name, architecture, runtime, device, threads, workers, cores, max_batch,
                      max_wait_ms, usual_policy, command, pinned_to, artifact, card_accuracy, accuracy (under load),
                      forward_us {p50, p90, joined}, unavailable, dominated, problem, single {p50_us, p99_us, n},
                      passes [{pass, began, bracket, probes, at_rate}], capacity {pass_rate, fail_rate, bound_by,
                      blame, probes}, at_rate (of the last pass), curve [{rate, percentile_us, interval_us, passed,
                      stopped_early}], parts [{label, rate, mean, slowest}], flips, caching, resources, cost, headroom,
                      reasons, rank, verdict}], best first
    decision        {recommended, ties, runner_up, sentence, command, caveats, ranked}
    validity        {valid, reasons, notes, advice}
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.capacity.measure import about, bracket_of, stored_probes, summary
from benchmarks.capacity.probe import as_json, judge
from benchmarks.capacity.slo import Slo
from benchmarks.decision.configurations import Configuration
from benchmarks.decision.folder import DecisionFolder
from benchmarks.decision.screening import dominated
from benchmarks.decision.verdict import decide
from benchmarks.load.audit import Finding, about_the_machine, validity
from benchmarks.load.caching import memory
from benchmarks.load.calibration import about_the_generator
from benchmarks.load.disturbance import together, witnessed
from benchmarks.load.reference import changed_answers, flips, read_reference
from benchmarks.load.rows import Rows
from benchmarks.load.stages import STAGES
from benchmarks.load.stored import Load
from benchmarks.load.summary import accuracy, unloaded
from benchmarks.machine.fingerprint import warnings
from benchmarks.micro.timings import read_micro
from service.card import write_atomically
from service.runtimes import RUNTIMES

SCHEMA_VERSION = 1
Entry = dict[str, Any]
# What is shown of a request's time: the server's stages, the rest of its own total, and everything outside of it.
INSIDE = tuple(stage for stage in STAGES if stage != "total")


def derive(folder: DecisionFolder) -> dict[str, Any]:
    """Everything a decision's rows say."""
    facts, wish = folder.facts, folder.wish
    asked = asked_of(folder)
    calibration = folder.folder / "calibration.json"
    entries = entries_after(folder)
    decision = decide(entries, asked)
    result: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run_id": folder.folder.name,
        "created": facts["created"],
        "finished": facts.get("finished"),
        "command": facts["command"],
        "wish": asked,
        "machine": facts["machine"],
        "cores": facts["cores"],
        "warnings": warnings(facts["machine"]),
        "calibration": json.loads(calibration.read_text()) if calibration.exists() else None,
        "datasets": facts.get("datasets", {}),
        "left_out": facts.get("left_out", []),
        "refined": folder.refined,
        "seeds": [wish.seed],
        "witness": together(entry["witness"] for entry in entries),
        "configurations": sorted(entries, key=lambda entry: entry["rank"]),
        "decision": decision,
    }
    result["validity"] = validity(_findings(result))
    return result


def write_decision(folder: DecisionFolder, result: dict[str, Any]) -> Path:
    """Store the result beside its rows."""
    return write_atomically(folder.folder / "decision.json", json.dumps(result, indent=1).encode() + b"\n")


def entries_before_load(folder: DecisionFolder) -> list[Entry]:
    """One entry per configuration, with all that is known without any load: card, file, bare runtime."""
    keys = {(one.runtime, one.threads, one.device) for one in folder.configurations}
    bare = {key: _bare(folder.micro(*key)) for key in keys}
    entries = [_entry(folder, one, why, bare[one.runtime, one.threads, one.device].get(one.model))
               for one, why in folder.configurations.items()]
    reasons = dominated(entries)
    for entry in entries:
        entry["dominated"] = reasons.get(entry["id"])
    return entries


def entries_after(folder: DecisionFolder, number: int | None = None) -> list[Entry]:
    """The same with what loads said of each; capacities count where pass `number` is complete, or else the last one."""
    entries = entries_before_load(folder)
    for entry, one in zip(entries, folder.configurations, strict=True):
        entry |= _measured(folder, one, number)
        entry["problem"] = folder.facts.get("problems", {}).get(one.id)
    return entries


def asked_of(folder: DecisionFolder) -> dict[str, Any]:
    """The wish as a result has it."""
    return asdict(folder.wish) | {"objective_text": folder.wish.limit.among(folder.wish.dispersion)}


def _bare(path: Path) -> dict[str, Entry]:
    """Per model, microseconds of the bare runtime: for one image, and per image in the best batch."""
    timings = [timing for timing in (read_micro(path) if path.exists() else []) if timing["group"] == "forward"]
    joined: dict[str, float] = {}
    for timing in timings:
        if timing["batch"] > 1:
            each = timing["p50_us"] / timing["batch"]
            joined[timing["model"]] = min(each, joined.get(timing["model"], each))
    return {timing["model"]: {"p50": timing["p50_us"], "p90": timing["p90_us"], "joined": joined.get(timing["model"])}
            for timing in timings if timing["batch"] == 1}


def _entry(folder: DecisionFolder, one: Configuration, unavailable: str | None, forward: Entry | None) -> Entry:
    card = folder.card(one.model)
    stored = RUNTIMES[one.runtime].format
    file, score = card.file(stored), card.score_of(stored)
    return {
        "id": one.id, "label": str(one), **asdict(one), "cores": one.cores, "usual_policy": one.usual_policy,
        "name": card.name,
        "description": card.description, "architecture": card.architecture, "parameters": card.parameters,
        "command": one.command(folder.wish.root),
        "artifact": file and {"format": file.format, "size_bytes": file.size_bytes, "sha256": file.sha256},
        "image_shape": list(card.input.shape),
        "card_accuracy": score and {"correct": score.correct, "n": score.count, "top1": score.accuracy,
                                    "interval": [score.low, score.high]},
        "forward_us": forward,
        "unavailable": unavailable,
    }


def _measured(folder: DecisionFolder, one: Configuration, number: int | None) -> Entry:
    """What the loads of a configuration say; all None where there are none."""
    loads, slo = folder.loads(one), folder.wish.limit
    if not loads:
        unknown = ("accuracy", "flips", "single", "capacity", "at_rate", "caching", "resources", "pinned_to")
        return dict.fromkeys((*unknown, "witness")) | {"curve": [], "parts": [], "passes": []}
    probes, judged = stored_probes(loads, slo)
    passes = [noted | {"at_rate": _at_rate(folder, one, loads.get(f"expected-{noted['pass']}"))}
              for noted in folder.passes(one)]
    every = [*probes, *(load for name, load in loads.items() if name.startswith(("expected-", "share-")))]
    # Before the pass is over the bracket may still move, and a half-found capacity is none.
    complete = judged and folder.done(one, number)
    return {
        "accuracy": accuracy(*(load.rows.measured.succeeded for load in loads.values()
                               if not load.plan.same_image)),
        "flips": _flips(folder, one, loads),
        "single": unloaded(loads["single"]) if "single" in loads else None,
        "capacity": summary(bracket_of(judged), judged, slo) if complete else None,
        "passes": passes,
        "pinned_to": passes[-1]["pinned_to"] if passes else None,
        "at_rate": next((noted["at_rate"] for noted in reversed(passes) if noted["at_rate"]), None),
        "curve": _curve(every, slo),
        "parts": [_parts(loads[name], slo, label) for name, label in
                  (("share-50", "half of capacity"), ("share-90", "90 % of capacity")) if name in loads],
        "caching": _caching(loads),
        "witness": witnessed(loads.values()),
        "resources": _resources(every, [used for name in loads if (used := folder.energy(one, name))]),
    }


def _at_rate(folder: DecisionFolder, one: Configuration, load: Load | None) -> Entry | None:
    """How a load at the expected rate went, and the joules that a million answers take."""
    if load is None:
        return None
    used, answered = folder.energy(one, load.plan.name) or {}, len(load.rows.succeeded)
    known = [used.get(part) for part in ("cpu_joules", "gpu_joules") if used.get(part) is not None]
    # Without the CPU's share the GPU's alone would flatter whatever uses one.
    told = used.get("cpu_joules") is not None and answered > 0
    joules = sum(map(float, known)) * 1e6 / answered if told else None  # type: ignore[arg-type]
    return as_json(judge(load, folder.wish.limit)) | {"joules_per_million": joules}


def _curve(loads: list[Load], slo: Slo) -> list[Entry]:
    keys = ("rate", "percentile_us", "interval_us", "passed", "stopped_early", "requests", "over")
    points = [{key: value for key, value in as_json(judge(load, slo)).items() if key in keys} for load in loads]
    return sorted((point for point in points if point["percentile_us"] is not None), key=lambda point: point["rate"])


def _parts(load: Load, slo: Slo, label: str) -> Entry:
    """Where the time goes, in milliseconds: of all requests, and of the slowest that the objective is about."""
    rows = load.rows.measured.succeeded
    slow = rows.where(rows.response_us >= np.percentile(rows.response_us, slo.percentile)) if len(rows) else rows
    return {"label": label, "rate": load.plan.rate, "mean": _means(rows), "slowest": _means(slow)}


def _means(rows: Rows) -> dict[str, float]:
    """Means, because only means add up."""
    if not len(rows):
        return {}
    stages = {name: rows.stage_ms(name).astype(float) for name in STAGES}
    known = {name: float(np.nanmean(values)) for name, values in stages.items() if not np.all(np.isnan(values))}
    inside = {name: known[name] for name in INSIDE if name in known}
    total = known.get("total", sum(inside.values()))
    service = float(rows.service_us.mean()) / 1000
    lag = float(rows.lag_us.mean()) / 1000
    parts = inside | {"server, other": max(0.0, total - sum(inside.values())),
                      "HTTP and client": max(0.0, service - total) + lag}
    return {name: round(value, 4) for name, value in parts.items()}


def _flips(folder: DecisionFolder, one: Configuration, loads: dict[str, Load]) -> Entry | None:
    """How often it answers otherwise than its own graph does on the same image, and what to make of it."""
    stored = folder.reference(one.model)
    if not stored.exists():
        return None
    found = flips(read_reference(stored), *(load.rows.measured.succeeded for load in loads.values()))
    finding = changed_answers(found, one.runtime)
    return found | {"finding": finding and asdict(finding)}


def _caching(loads: dict[str, Load]) -> Entry | None:
    finding = memory(loads)
    return asdict(finding) if finding else None


def _resources(loads: list[Load], energy: list[Entry]) -> Entry | None:
    """What the server used at most, over all open loads, and what is known of energy and GPUs."""
    cpu = [load.server["cpu"] for load in loads if load.server["cpu"] is not None]
    memory = [load.server["rss_bytes"] for load in loads if load.server["rss_bytes"] is not None]
    generator = [float(np.mean(load.generator["cpu"])) for load in loads if load.generator["cpu"]]
    def most(key: str) -> float | None:
        return max((used[key] for used in energy if used[key] is not None), default=None)

    return {"server_cpu": max(cpu, default=None), "server_rss_bytes": max(memory, default=None),
            "generator_cpu": max(generator, default=None),
            "gpu_utilisation": most("gpu_utilisation"), "gpu_memory_bytes": most("gpu_memory_bytes"),
            "energy_unknown": energy[0]["cpu_unknown"] if energy else None,
            "gpu_unknown": energy[0]["gpu_unknown"] if energy else None}


def _decides(entry: Entry) -> bool:
    """Whether nothing but invalid measurements speaks against it: then it might have been the one to deploy."""
    return all(reason.startswith("INVALID") for reason in entry["reasons"])


def _findings(result: dict[str, Any]) -> list[Finding]:
    found = about_the_machine(result["machine"])
    if result["wish"]["screening"]:
        found.append(Finding("screening", "this was a quick run with coarse brackets: it shows where to look, and "
                             "decides nothing", "run again without --quick before deploying", invalid=False))
    for entry in result["configurations"]:
        found += [Finding("configuration", f"{entry['label']}: {reason.removeprefix('INVALID: ')}",
                          "see its probes in the run folder", invalid=_decides(entry))
                  for reason in entry["reasons"] if reason.startswith("INVALID")]
        if entry["problem"]:
            found.append(Finding("not-measured", f"{entry['label']}: {entry['problem'].splitlines()[0]}",
                                 "read the server's log in the run folder"))
        if entry["capacity"]:
            found += about(entry["capacity"], f"{entry['label']}: ")
    found += about_the_generator(result["calibration"])
    if not result["finished"]:
        found.append(Finding("incomplete", "not everything is measured", "run the same command again to continue"))
    return found
