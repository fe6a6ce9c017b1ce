"""From the rows of a measurement to `capacity.json`, the only thing its page and tables are made from.

    schema_version, run_id, created, finished, command
    question        url, slo, rate, protocol, model, ...; objective_text is the SLO in words
    model, served, here (whether the server is on this machine), machine, cores, calibration, datasets, seeds
    capacity        {pass_rate, fail_rate, bound_by, blame, probes}; None before the first probe
    curve           [{name, rate, p50_us, p90_us, percentile_us, interval_us, requests, over, share_over, passed, ...}]
    at_rate         the load at the expected rate, as a point of the curve
    single          {p50_us, p99_us, n}, accuracy {correct, n, images, top1, interval}, caching
    unknown         [sentences about what cannot be known of somebody else's server]
    verdict         {sentence, code, borne, headroom}
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
from benchmarks.elsewhere.folder import CapacityFolder
from benchmarks.elsewhere.verdict import decide
from benchmarks.load.audit import Finding, about_the_machine, delayed_ack, unstable_answers, validity
from benchmarks.load.caching import memory
from benchmarks.load.calibration import about_the_generator
from benchmarks.load.disturbance import witnessed
from benchmarks.load.stored import Load
from benchmarks.load.summary import accuracy, unloaded
from service.card import write_atomically

SCHEMA_VERSION = 1
BY_CHANCE = 1.5  # times what guessing gets; an accuracy up to it is none


def derive(folder: CapacityFolder) -> dict[str, Any]:
    """Everything the rows say."""
    facts, question, loads = folder.facts, folder.question, folder.loads()
    slo, calibration = question.limit, folder.folder / "calibration.json"
    probes, judged = stored_probes(loads, slo)
    expected, single = loads.get("expected"), loads.get("single")
    generator = [float(np.mean(load.generator["cpu"])) for load in loads.values() if load.generator["cpu"]]
    result: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run_id": folder.folder.name,
        **{key: facts[key] for key in ("created", "command", "model", "served", "here", "machine", "cores", "classes")},
        "finished": facts.get("finished"),
        "question": asdict(question) | {"objective_text": slo.among(question.dispersion)},
        "calibration": json.loads(calibration.read_text()) if calibration.exists() else None,
        "datasets": facts.get("datasets", {}),
        "seeds": [question.seed],
        "capacity": summary(bracket_of(judged), judged, slo) if judged else None,
        "curve": sorted((_point(load, slo) for load in (*probes, *([expected] if expected else []))),
                        key=lambda point: (point["rate"], point["name"])),
        "at_rate": _point(expected, slo) if expected else None,
        "single": unloaded(single) if single else None,
        "accuracy": _accuracy(loads),
        "witness": witnessed(loads.values()),
        "caching": asdict(finding) if (finding := memory(loads)) else None,
        "generator_cpu": max(generator, default=None),
        "unknown": _unknown(facts),
    }
    result["validity"] = validity(_findings(result, loads))
    return result | {"verdict": decide(result)}


def write_result(folder: CapacityFolder, result: dict[str, Any]) -> Path:
    """Store the result beside its rows."""
    return write_atomically(folder.folder / "capacity.json", json.dumps(result, indent=1).encode() + b"\n")


def _point(load: Load, slo: Slo) -> dict[str, Any]:
    """One load: its rate, its percentiles, its misses."""
    times = load.rows.measured.succeeded.response_us
    p50, p90 = np.percentile(times, (50, 90)).tolist() if len(times) else (None, None)
    said = as_json(judge(load, slo))
    return said | {"name": load.plan.name, "p50_us": p50, "p90_us": p90,
                   "share_over": said["over"] / said["requests"] if said["requests"] else None}


def _accuracy(loads: dict[str, Load]) -> dict[str, Any] | None:
    """Over every answer but those about one image again and again."""
    answered = [load.rows.measured.succeeded for load in loads.values() if not load.plan.same_image]
    return accuracy(*answered) if any(map(len, answered)) else None


def _unknown(facts: dict[str, Any]) -> list[str]:
    """What nobody can know from outside, and what that does to the figures."""
    cores = facts["machine"]["usable_cores"]
    place = {
        True: f"the server is on the machine that sends the load, and both share its {cores} usable cores: with a "
              "machine of its own it may bear more; which cores it uses is not ours to say",
        False: "whether the server shares its cores with the load generator, or with anybody else, cannot be told from "
               "its address; the network between them is in every time",
        None: "where the server is cannot be told; the network between is in every time",
    }[facts["here"]]
    return [
        ("CPU, memory and energy that the server uses, the cores it has and what they cost: it is somebody else's "
         "process, so there is a capacity and no price"),
        place,
        "whether others asked it meanwhile: their requests would lower the capacity",
        ("whether it remembers these images from an earlier measurement: a cache that was full before cannot be told "
         "from a fast server"),
        *facts["unknown"],
    ]


def _findings(result: dict[str, Any], loads: dict[str, Load]) -> list[Finding]:
    question, capacity, found = result["question"], result["capacity"], about_the_machine(result["machine"])
    if question["screening"]:
        found.append(Finding("screening", "this was a quick run with coarse brackets: it shows where to look, and "
                             "decides nothing", "run again without --quick", invalid=False))
    if (caching := memory(loads)) is not None:
        found.append(caching)
    found += about_the_generator(result["calibration"])
    if capacity:
        found += about(capacity)
    said = result["accuracy"]
    if said and said["interval"][1] <= BY_CHANCE / result["classes"]:
        found.append(Finding("accuracy-by-chance", f"{said['top1']:.1%} of the answers are right, hardly more than by "
                             "guessing", "check model, order of classes and, for floats, --scale, --mean and --std",
                             invalid=False))
    low = capacity["pass_rate"] if capacity else None
    held = [load for load in loads.values() if load.plan.rate == low and load.plan.name.startswith("rate-")]
    found += list({finding.code: finding for load in held for check in (delayed_ack, unstable_answers)
                   if (finding := check(load))}.values())
    if restless := _at_odds(result):
        found.append(Finding("trials-disagree", f"at {restless} probes kept the objective and missed it: server or "
                             "machine is restless, and the bracket is what most of them say",
                             "measure when nothing else runs", invalid=False))
    if not result["finished"]:
        found.append(Finding("incomplete", "not everything is measured", "run the same command again to continue"))
    return found


def _at_odds(result: dict[str, Any]) -> str:
    """The rates at which trials differ, "" where there are none."""
    said: dict[float, set[bool]] = {}
    for point in result["curve"]:
        said.setdefault(point["rate"], set()).add(point["passed"])
    return ", ".join(f"{rate:,.4g}/s" for rate, outcomes in sorted(said.items()) if len(outcomes) > 1)
