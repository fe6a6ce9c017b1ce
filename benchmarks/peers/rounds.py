"""The measurement itself: raw rows, one per load, and for each contender either `versions` or the reason it is out.

Every round goes through all contenders in a new random order, each on a fresh server, and in it through all forms in
random order, so that a machine that slows down or warms up does it to everyone. Nothing is averaged here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine.cores import Cores, share_out
from benchmarks.peers.contenders import BARE, FORMS, Ask, Contender, Images
from benchmarks.peers.environments import UnavailableError, prepare, versions
from benchmarks.peers.load import LoadError, pace, saturate
from benchmarks.peers.running import running, verify
from service.runtimes.ort import open_model
from service.splits import FOLDER, Split

TWO_WORKERS = "raw-32"  # the client does little per request here, so it is the servers that are compared
SINGLE = ("raw", "json")  # latency is measured on the first of these that a contender takes

Row = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One comparison."""

    model: str = "models/fm000-tinyvgg/1"
    split: str = "fashion-mnist-test"
    seconds: float = 5.0
    rounds: int = 5
    seed: int = 0


@dataclass
class Findings:
    """What is known so far."""

    plan: Plan
    cores: Cores
    out: dict[str, str]                  # contender -> why it is not measured, or not any more
    versions: dict[str, dict[str, str]]
    rows: list[Row]

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"plan": asdict(self.plan), "cores": asdict(self.cores), "out": self.out, "versions": self.versions,
                "rows": self.rows}


def compare(plan: Plan, contenders: list[Contender], logs: Path, say: Say) -> Findings:
    """Measure everything; a contender that fails is left out from then on and says why."""
    findings = Findings(plan, share_out(), {}, {}, [])
    images, expected = _images(plan)
    for contender in contenders:
        say(f"{contender.name}: environment")
        try:
            prepare(contender)
            findings.versions[contender.name] = versions(contender)
        except UnavailableError as error:
            findings.out[contender.name] = str(error)
            say(f"{contender.name}: {error}")
    order, reference = random.Random(plan.seed), 0.0  # noqa: S311 - a shuffle, not a secret
    bare = next((one for one in contenders if one.name == BARE and one.name not in findings.out), None)
    if bare is not None:  # everyone is asked at half of its rate, so it is found before anyone's turn
        reference = _Turn(findings, bare, images, expected, logs, say).reference()
    for number in range(1, plan.rounds + 1):
        ready = [contender for contender in contenders if contender.name not in findings.out]
        for contender in order.sample(ready, len(ready)):
            turn = _Turn(findings, contender, images, expected, logs, say, number)
            try:
                turn.one_worker(reference, order)
                if contender.workers:
                    turn.two_workers()
            except (UnavailableError, LoadError) as error:
                findings.out[contender.name] = str(error)
                say(f"{contender.name}: {error}")
    return findings


class _Turn:
    """One contender in one round."""

    def __init__(
        self, findings: Findings, contender: Contender, images: Images, expected: list[int], logs: Path, say: Say,
        number: int = 0,
    ) -> None:
        self.findings, self.contender, self.expected = findings, contender, expected
        self.say, self.number = say, number
        self.seconds, self.cores = findings.plan.seconds, findings.cores
        self.asks: dict[str, Ask] = {
            name: make(images[: FORMS[name][1]]) for name, make in contender.forms.items() if make is not None
        }
        self.log = logs / f"{contender.name}.log"

    def reference(self) -> float:
        """Answers per second of the first form; not kept as a row."""
        with running(self.contender, Path(self.findings.plan.model), self.cores.server, self.log) as server:
            found = saturate(server, self.asks[SINGLE[0]], self.seconds, self.cores.generator)
        return float(found["requests"] / found["seconds"])

    def one_worker(self, reference: float, order: random.Random) -> None:
        """Every form at full load, then one image at a time at half of what it can do, and of what bare can do."""
        capacity: dict[str, float] = {}
        with running(self.contender, Path(self.findings.plan.model), self.cores.server, self.log) as server:
            verify(server, self.asks, self.expected)
            for form in order.sample(sorted(self.asks), len(self.asks)):
                found = saturate(server, self.asks[form], self.seconds, self.cores.generator)
                row = self._add("closed", form, 1, found)
                capacity[form] = row["requests"] / row["seconds"]
            form = next(form for form in SINGLE if form in self.asks)
            rates = {"half-own": capacity[form] / 2}
            if reference and capacity[form] > reference / 2:
                rates["half-bare"] = reference / 2
            for kind, rate in rates.items():
                self._add(kind, form, 1, pace(server, self.asks[form], rate, self.seconds, self.cores.generator))

    def two_workers(self) -> None:
        """Two processes on two cores. With two cores in all, the client takes a part of one of them."""
        two = share_out(2)
        cores = two.server if len(two.server) > 1 else tuple(sorted({*two.server, *two.generator}))
        with running(self.contender, Path(self.findings.plan.model), cores, self.log, workers=2) as server:
            verify(server, {TWO_WORKERS: self.asks[TWO_WORKERS]}, self.expected)
            self._add("two-workers", TWO_WORKERS, 2,
                      saturate(server, self.asks[TWO_WORKERS], self.seconds, two.generator))

    def _add(self, kind: str, form: str, workers: int, found: Row) -> Row:
        row = {"round": self.number, "contender": self.contender.name, "kind": kind, "form": form, "workers": workers,
               "body_bytes": len(self.asks[form].body), **found}
        self.findings.rows.append(row)
        rate = row["requests"] / row["seconds"]
        self.say(f"round {self.number} {self.contender.name:<18} {kind:<11} {form:<8} {rate:8,.0f}/s "
                 f"p99 {(row['p99_us'] or 0) / 1000:6.2f} ms  "
                 f"server {row['server_cpu']:.2f} client {row['client_cpu']:.2f}"
                 + (f"  NOT 200: {row['not_200']}" if row["not_200"] else "")
                 + (f"  BROKEN: {row['broken']}" if row["broken"] else "")
                 + (f"  UNREAD: {row['unread']}" if row.get("unread") else ""))
        return row


def _images(plan: Plan) -> tuple[Images, list[int]]:
    """The first images of the split, and what the session says of them."""
    folder = Path(plan.model)
    images = Split.find(folder.parent.parent / FOLDER / plan.split).load(32)[0]
    session = open_model(folder / "model.onnx", device="cpu", threads=1)
    return images, np.asarray(session(images)).argmax(axis=1).tolist()
