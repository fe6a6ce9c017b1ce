"""From raw rows to one result: `result.json`, the only thing tables, figures and reports are made from.

    schema_version, run_id, created, finished        which run
    settings, seeds, command                         what was asked for, and how to ask again
    machine, cores, warnings                         where, and what was off there
    witness        what others had of the cores meanwhile, as benchmarks.load.disturbance.witnessed tells it
    datasets       {split name: {name, dataset, split, count, sha256, licence, body, bodies, payloads_sha256}}
    models         [{id, name, version, description, architecture, parameters, macs, artifact, card_accuracy,
                     accuracy, flips (against the model's own answers, image by image),
                     loads: [summary of every load], validity}]
    micro          [{group, name, model, batch, p50_us, ..., ratio}]
    validity       {valid, reasons, notes, advice} over everything
    verdict        sentences
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.comparison.run import Run
from benchmarks.load.audit import Finding, about_the_machine, audit, validity
from benchmarks.load.disturbance import witnessed
from benchmarks.load.reference import Reference, changed_answers, flips, read_reference
from benchmarks.load.stored import Load
from benchmarks.load.summary import accuracy, summarise
from benchmarks.machine.fingerprint import warnings
from benchmarks.micro.timings import read_micro
from benchmarks.report.verdict import sentences
from service.card import ModelCard, write_atomically
from service.runtimes import RUNTIMES

SCHEMA_VERSION = 1


def derive(run: Run) -> dict[str, Any]:
    """Everything a run's raw rows say. Models without a single complete load are left out and named."""
    facts, settings = run.facts, run.settings
    measured = {model: loads for model in facts["contenders"] if (loads := run.loads(model))}
    result: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.folder.name,
        "created": facts["created"],
        "finished": facts.get("finished"),
        "settings": facts["settings"],
        "seeds": sorted({load.plan.seed for loads in measured.values() for load in loads}),
        "command": facts["command"],
        "machine": facts["machine"],
        "cores": facts["cores"],
        "warnings": warnings(facts["machine"]),
        "datasets": facts.get("datasets", {}),
        "models": [_entry(run.card(model), loads, settings.runtime, _reference(run, model))
                   for model, loads in measured.items()],
        "witness": witnessed(load for loads in measured.values() for load in loads),
        "missing": [model for model in facts["contenders"] if model not in measured],
        "micro": read_micro(run.micro) if run.micro.exists() else [],
    }
    about_loads = [_named(load, finding) for loads in measured.values() for load in loads for finding in audit(load)]
    result["validity"] = validity([*about_loads, *_about_answers(result), *_about_the_run(result)])
    result["verdict"] = sentences(result)
    return result


def write_result(run: Run, result: dict[str, Any]) -> Path:
    """Store the result beside its rows."""
    return write_atomically(run.folder / "result.json", json.dumps(result, indent=1).encode() + b"\n")


def publishable(result: dict[str, Any]) -> dict[str, Any]:
    """The result without histograms: small enough to commit, with everything a table needs."""
    slim: dict[str, Any] = json.loads(json.dumps(result))
    for entry in slim["models"]:
        for load in entry["loads"]:
            for clock in ("service_us", "response_us"):
                load[clock].pop("hdr", None)
    return slim | {"published": time.strftime("%Y-%m-%d", time.gmtime())}


def _entry(card: ModelCard, loads: list[Load], runtime: str, known: Reference | None) -> dict[str, Any]:
    file = card.file(RUNTIMES[runtime].format) or card.files[0]
    score = card.score_of(file.format)
    return {
        "id": card.id,
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "architecture": card.architecture,
        "parameters": card.parameters,
        "macs": card.macs,
        "artifact": {"format": file.format, "size_bytes": file.size_bytes, "sha256": file.sha256, "runtime": runtime},
        "card_accuracy": score and {"dataset": score.dataset, "split": score.split, "correct": score.correct,
                                    "n": score.count, "top1": score.accuracy, "interval": (score.low, score.high)},
        "accuracy": accuracy(*(load.rows.measured.succeeded for load in loads)),
        "flips": known and flips(known, *(load.rows.measured.succeeded for load in loads)),
        "loads": [summarise(load) for load in loads],
        "validity": validity(finding for load in loads for finding in audit(load)),
    }


def _reference(run: Run, model: str) -> Reference | None:
    return read_reference(run.reference(model)) if run.reference(model).exists() else None


def _about_answers(result: dict[str, Any]) -> list[Finding]:
    """Models that answer otherwise under load than on their own."""
    found = ((entry["id"], changed_answers(entry["flips"], entry["artifact"]["runtime"]))
             for entry in result["models"] if entry["flips"])
    return [replace(finding, reason=f"{model}: {finding.reason}") for model, finding in found if finding]


def _named(load: Load, finding: Finding) -> Finding:
    return replace(finding, reason=f"{load.plan.model}, {load.plan.name}: {finding.reason}")


def _about_the_run(result: dict[str, Any]) -> list[Finding]:
    found = about_the_machine(result["machine"])
    if result["settings"]["screening"]:
        found.append(Finding("screening", "this was a short run: it shows that everything works, and claims no figures",
                             "run python -m benchmarks for figures to use", invalid=False))
    if result["missing"]:
        found.append(Finding("incomplete", f"not measured: {', '.join(result['missing'])}",
                             "run the same command again to continue", invalid=False))
    return found
