"""The whole path once, quickly: serve the bundled models, predict, evaluate, weigh, and stop everything.

It is a demonstration and a check at once: a model that does not reproduce the accuracy on its card ends it with 1.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.table import Table

from benchmarks.comparison.contenders import Contender, find_contenders, find_split, with_images
from benchmarks.comparison.publish import finish
from benchmarks.comparison.run import open_run
from benchmarks.comparison.settings import Settings
from benchmarks.comparison.steps import weigh
from benchmarks.load.payloads import png
from benchmarks.machine.cores import share_out
from benchmarks.machine.fingerprint import fingerprint, warnings
from benchmarks.machine.server import Server, post, serving
from benchmarks.report.screen import LiveScreen
from benchmarks.report.thumbnail import thumbnail

SHOWN = 4  # images
PICTURES_SEED = 7
WEIGHED = 6  # models at most, the most accurate ones: a demonstration must not outlast its spectators


def demo(root: Path, seconds: float, runs: Path, console: Console, command: str) -> int:
    """Show everything; 0 when every model answered and reproduced its card, 1 with the differences when not."""
    begun = time.monotonic()
    served, cores, machine = find_contenders(root), share_out(), fingerprint()
    contenders = with_images(root, served, lambda line: console.print(f"[yellow]note:[/] {line}", soft_wrap=True))
    weighed = sorted(contenders, key=_accuracy, reverse=True)[:WEIGHED]
    settings = Settings(root=str(root), seconds=seconds, micro_seconds=0, screening=True)
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    console.print(f"[bold]1. Serve[/] {len(served)} models on {cores}")
    run = open_run(runs / f"demo-{time.strftime('%Y-%m-%dT%H-%M-%S')}", settings, weighed, machine=machine,
                   cores=str(cores), created=machine["at"], command=command)
    with serving(root=root, log=run.folder / "server.log", cores=cores.server) as server:
        console.print(f"   ready at {server.url} after {server.started_in:.1f} s")
        console.print("\n[bold]2. Predict[/] images that no model has seen in training")
        console.print(predictions(server, contenders, root, pictures=console.is_terminal))
        console.print("[bold]3. Evaluate[/] on the whole test split, and compare with the cards")
        problems = evaluations(server, contenders, root, console)
        console.print(f"\n[bold]4. Weigh[/] {_said(weighed, contenders)} under load: {seconds:g} s per step, arrivals "
                      "that wait for nobody")
        with LiveScreen(console) as screen:
            problems += weigh(run, weighed, cores, screen, server=server)
    run.note(finished=fingerprint()["at"])
    finish(run, console)
    for problem in problems:
        console.print(f"[bold red]error:[/] {problem}", soft_wrap=True)
    outcome = "[bold red]not everything is as it should be[/]" if problems else "[green]every card was reproduced[/]"
    console.print(f"{outcome}; the service is stopped; {time.monotonic() - begun:.0f} s in all")
    return 1 if problems else 0


def predictions(server: Server, contenders: list[Contender], root: Path, *, pictures: bool) -> Table:
    """A few test images, sent as PNG to every model: one column per image, one row per model."""
    split = find_split(root, contenders[0].card)
    images, labels = split.load()
    chosen = np.random.default_rng(PICTURES_SEED).choice(len(images), SHOWN, replace=False)
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("[dim]truth[/]", vertical="bottom")
    for index in chosen:
        picture = [thumbnail(images[index])] if pictures else []
        table.add_column(Group(*picture, split.card.classes[labels[index]]), vertical="bottom")
    for contender in contenders:
        if contender.card.classes == split.card.classes and contender.card.input.shape == split.card.shape:
            table.add_row(contender.card.name, *(
                _predicted(server, contender, png(images[index]), split.card.classes[labels[index]]) for index in chosen
            ))
    return table


def evaluations(server: Server, contenders: list[Contender], root: Path, console: Console) -> list[str]:
    """Score every model over /evaluate; returns what differs from the cards."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("model", "correct", "accuracy", "95 % interval", "card"):
        table.add_column(title, justify="left" if title == "model" else "right")
    problems = []
    for contender in contenders:
        score, split = contender.card.score, find_split(root, contender.card)
        found = post(server, "/evaluate", json={"model": contender.id, "split": split.card.name})
        problem = _difference(contender, found)
        problems += [problem] if problem else []
        card = "[dim]no score[/]" if score is None else f"[red]{score.accuracy:.4%}[/]" if problem else "[green]same[/]"
        table.add_row(contender.card.name, f"{found['correct']:,} of {found['count']:,}", f"{found['accuracy']:.2%}",
                      f"{found['interval']['low']:.2%} – {found['interval']['high']:.2%}", card)
    console.print(table)
    return problems


def _difference(contender: Contender, found: dict[str, Any]) -> str | None:
    score = contender.card.score
    if score is None or (found["correct"], found["count"]) == (score.correct, score.count):
        return None
    return (f"{contender.id}: /evaluate finds {found['correct']} of {found['count']} correct, its card says "
            f"{score.correct} of {score.count} (measured with {score.runtime}); the served file, the images or the "
            "runtime differ from those of the export")


def _predicted(server: Server, contender: Contender, body: bytes, truth: str) -> str:
    answer = post(server, f"/predict?model={contender.id}", content=body, headers={"Content-Type": "image/png"})
    first = answer["predictions"][0]
    style = "green" if first["label"] == truth else "red"
    return f"[{style}]{first['label']}[/] [dim]{first['probability']:.0%}[/]"


def _accuracy(contender: Contender) -> float:
    return contender.card.score.accuracy if contender.card.score else 0.0


def _said(weighed: list[Contender], contenders: list[Contender]) -> str:
    return "them" if len(weighed) == len(contenders) else f"the {len(weighed)} most accurate"
