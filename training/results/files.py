"""The folder of result files: derived from runs, merged with what is there, read back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.atomic import write_atomically
from training.datasets import STAND_INS
from training.protocol import PROTOCOLS
from training.recipe import Recipe
from training.recipes import EVERY_RECIPE
from training.results.durations import read_probes
from training.results.entry import entry
from training.results.markdown import INDEX_PAGE, page
from training.results.readings import other_readings, tell
from training.results.summary import Entries, summarise
from training.results.table import INDEX, index
from training.runs import runs_of

FOLDER = Path(__file__).parent


def derive(folder: Path = FOLDER, *, root: Path | None = None) -> dict[Path, dict[str, Any]]:
    """What every file should hold: from the finished runs under `root`, and what the files already have.

    Words and verdicts follow the code also where the runs are not here.
    """
    derived = {}
    for recipe in versions():
        for device, entries in _by_device(recipe, root).items():
            path = folder / f"{recipe.name}.{recipe.dataset}.{device}.json"
            derived[path] = summarise(recipe, device, _merged(path, recipe, entries))
    for path in folder.glob("*.*.*.json"):
        if path not in derived and (held := _current(path)) is not None:
            derived[path] = summarise(held, path.name.split(".")[-2], _merged(path, held, {}))
    derived = dict(sorted(derived.items()))
    others = {path: told for path, result in derived.items() if (told := other_readings(result, derived.values()))}
    for path, told in others.items():
        tell(derived[path], told)
    return derived


def write_all(folder: Path = FOLDER, *, root: Path | None = None) -> list[Path]:
    """Bring every file, the index and the page that shows it up to date; returns the paths that changed."""
    derived, probes = derive(folder, root=root), read_probes(folder)
    listed = index(derived.values(), probes)
    texts = {path: dumps(content) for path, content in [*derived.items(), (folder / INDEX, listed)]}
    texts[folder / INDEX_PAGE] = page(listed["rows"], list(derived.values()))
    return [path for path, text in texts.items() if _write(path, text)]


def read_all(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The content of every file whose recipe is still as it was; others wait to be derived again or deleted."""
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.*.*.json")) if _current(path) is not None]


def stale(folder: Path = FOLDER) -> list[Path]:
    """Files of recipes that have changed or gone since; they say nothing about today's."""
    return [path for path in sorted(folder.glob("*.*.*.json")) if _current(path) is None]


def versions() -> Iterator[Recipe]:
    """Every recipe, on its data set and on the stand-in of it."""
    for recipe in EVERY_RECIPE.values():
        yield recipe
        if (other := STAND_INS.get(recipe.dataset)) is not None:
            yield replace(recipe, dataset=other)


def _by_device(recipe: Recipe, root: Path | None) -> dict[str, Entries]:
    found: dict[str, Entries] = {}
    for protocol in PROTOCOLS:
        for run in runs_of(recipe, protocol=protocol, root=root):
            device = run.result["execution"]["device"]
            found.setdefault(device, {}).setdefault(protocol, []).append(entry(run))
    return found


def _merged(path: Path, recipe: Recipe, entries: Entries) -> Entries:
    """`entries`, and the seeds that only the file has: they were run on another machine."""
    if not path.is_file():
        return entries
    old = json.loads(path.read_bytes())
    if old["fingerprint"] != recipe.fingerprint:
        return entries
    merged = {name: list(seeds) for name, seeds in entries.items()}
    for name, held in old["protocols"].items():
        here = {kept["seed"] for kept in merged.get(name, [])}
        for kept in held["seeds"]:
            if kept["seed"] not in here:
                where = old["environments"][kept["environment"]]
                merged.setdefault(name, []).append({**kept, "environment": where})
    return merged


def _current(path: Path) -> Recipe | None:
    """Today's recipe behind a file, or None when the file is of another version of it."""
    held = json.loads(path.read_bytes())
    recipe = EVERY_RECIPE.get(held["recipe"])
    if recipe is None:
        return None
    recipe = replace(recipe, dataset=held["dataset"])
    return recipe if recipe.fingerprint == held["fingerprint"] else None


def _write(path: Path, text: str) -> bool:
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_atomically(path, text.encode())
    return True


def dumps(content: object) -> str:
    """JSON with a list of numbers on one line, so that a diff shows a seed and not a thousand lines."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+[-+.\d,\seE]+?\s+\]", lambda found: f"[{' '.join(found[0][1:-1].split())}]", text) + "\n"
