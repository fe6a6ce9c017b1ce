"""Every model from one command: train what is missing, export every finished run, say how to serve them.

    python -m export zoo                              all recipes (make zoo)
    python -m export zoo fm002-ann 'cf004-*' --plan   what would be done, and how long it takes

What is finished is exported first, so that something can be served at once; then what is missing is trained, the
quickest first but teachers before who learns from them, and exported too. All of it can be stopped at any moment, and
the same command goes on. A recipe whose data is not here is left out, with a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from export.finished import finished_run
from export.publish import publish
from export.split import export_split
from service.card import Format
from training.catalogue import on_data_at_hand, select
from training.datasets import MissingDataset, available, load_split
from training.places import runs_folder
from training.plan import How
from training.recipe import Recipe
from training.results import FOLDER, duration, read_all, read_probes
from training.results.durations import Duration, spoken
from training.runs import Run


@dataclass(frozen=True)
class Item:
    """One recipe's way to an artifact: its finished run, or how long training takes; neither where data is missing."""

    recipe: Recipe
    here: bool
    run: Run | None
    duration: Duration | None

    @property
    def state(self) -> str:
        """In words."""
        if not self.here:
            return f"left out: {self.recipe.dataset} is not here"
        if self.run is not None:
            return f"finished: seed {self.run.seed}, {self.run.protocol} protocol"
        return f"to train: {self.duration or 'nobody has measured how long'}"


def plan(patterns: Sequence[str]) -> list[Item]:
    """What each recipe that `patterns` name needs, what is finished first and then the quickest.

    ValueError for a pattern that names none.
    """
    results, probes = read_all(FOLDER), read_probes(FOLDER)
    here: dict[str, bool] = {}
    items = []
    for asked in select(list(patterns) or ["all"]):
        recipe = on_data_at_hand(asked)
        if recipe.dataset not in here:
            here[recipe.dataset] = available(recipe.dataset)
        run = finished_run(recipe.name) if here[recipe.dataset] else None
        items.append(Item(recipe, here[recipe.dataset], run, duration(recipe, results, probes)))
    return sorted(items, key=_order)


def zoo(
    patterns: Sequence[str], root: Path, console: Console, *,
    formats: Sequence[Format], how: How, only_plan: bool = False,
) -> int:
    """Do all of it; 0 when every recipe whose data is here has its artifact, 1 when not, 3 when time ran out before.

    Where no data is here at all, that is told with the cure, and 1.
    """
    items = plan(patterns)
    console.print(_table(items))
    missing = [item for item in items if item.here and item.run is None]
    if not any(item.here for item in items):
        for dataset in dict.fromkeys(item.recipe.dataset for item in items):
            try:
                load_split(dataset, "train")
            except MissingDataset as error:  # which says what to do about it
                console.print(f"[red]{error}[/]")
        return 1
    if missing:
        console.print(_total(missing))
    if only_plan:
        return 0
    refused = [item.recipe.name for item in items if item.run and not _export(item.run, root, formats, console)]
    out_of_time = bool(missing) and _train(missing, how, console)
    for item in missing:
        run = finished_run(item.recipe.name)
        if run is None or not _export(run, root, formats, console):
            refused.append(item.recipe.name)
    for dataset in dict.fromkeys(item.recipe.dataset for item in items if item.here):
        if not (root / "splits" / f"{dataset}-test" / "split.json").is_file():
            card, folder = export_split(dataset, "test", root)
            console.print(f"{card.count:,} labelled images for /evaluate: {folder}")
    if refused:
        console.print(f"[yellow]without an artifact:[/] {', '.join(refused)}")
    if root.is_dir():
        console.print("to serve them, and those that came with the repository:\n"
                      f"  WEIGHBRIDGE_MODELS={root}:models make serve")
    return 3 if out_of_time else 1 if refused else 0


def _train(missing: list[Item], how: How, console: Console) -> bool:
    """Train; whether time ran out before the end."""
    from training.campaign import Campaign
    from training.loop import Task

    outcome = Campaign([Task(item.recipe) for item in missing], how, console).run()
    return outcome.left > 0


def _export(run: Run, root: Path, formats: Sequence[Format], console: Console) -> bool:
    console.print(f"[bold]{run.recipe.name}[/]")
    try:
        done = publish(run, root, formats=formats, say=lambda line: console.print(f"  {line}"))
    except (MissingDataset, ValueError) as error:
        console.print(f"  [red]refused:[/] {error}")
        return False
    console.print(f"  {'already published' if done.existed else 'published'}: {done.folder}")
    return True


def _table(items: list[Item]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("recipe", "data set", "what it takes"):
        table.add_column(heading, no_wrap=True)
    for item in items:
        table.add_row(item.recipe.name, item.recipe.dataset, item.state)
    return table


def _total(missing: list[Item]) -> str:
    known = [item.duration for item in missing if item.duration]
    places = ", ".join(sorted({held.machine for held in known}))
    unknown = len(missing) - len(known)
    said = f"{len(missing)} to train: {spoken(sum(held.seconds for held in known))} in all on {places}" if known else ""
    without = f"{unknown} of unknown length" if unknown else ""
    told = ", and ".join(filter(None, (said, without)))
    return f"{told}; runs are kept in {runs_folder()}, stop at any moment, the same command goes on"


def _order(item: Item) -> tuple[bool, bool, float, str]:
    seconds = item.duration.seconds if item.duration else float("inf")
    return not item.here, item.run is None, 0.0 if item.run else seconds, item.recipe.name
