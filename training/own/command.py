"""The part of the command line that is about data and networks of one's own."""

from __future__ import annotations

import argparse
import importlib.util
import re
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.own.adapt import default_name, misfit, on_own_data
from training.own.prepare import Size, prepare
from training.own.store import Facts
from training.places import model_roots
from training.published import Unfit
from training.recipe import LONGEST_NAME, Recipe
from training.recipes import EVERY_RECIPE, RECIPES
from training.runs import RunError

# Of training and of export: who is called so cannot be asked for.
COMMANDS = ("all", "results", "probe", "report", "zoo", "bundle", "quantize", "import")


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--data`, `--size`, `--network`, `--teacher`, `--name`."""
    own = parser.add_argument_group("your own data (docs/own-model.md)")
    own.add_argument("--data", metavar="[NAME=]PATH", help="train on this instead: a folder of class folders, or "
                     "Parquet; a recipe may then also be a file FILE.py that defines RECIPE")
    own.add_argument("--size", metavar="HxW", type=_size, help="with --data: stretch all images to this height, width")
    own.add_argument("--network", metavar="MODULE:FUNCTION", help="with --data: in place of the network; called "
                     "as FUNCTION((channels, height, width), classes), returns an nn.Module that gives logits")
    own.add_argument("--teacher", metavar="MODEL", help="with --data: learn from this model's answers as well as from "
                     "labels; one that was exported or imported, under $WEIGHBRIDGE_MODELS, or a finished run")
    own.add_argument("--name", metavar="NAME", help="with --data: what run and model are called; default: DATA-RECIPE")


def from_file(text: str) -> Recipe:
    """The `RECIPE` of a Python file; ValueError when it has none."""
    path = Path(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ValueError(f"there is no file {text}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe):
        raise ValueError(f"{text} defines no RECIPE; e.g. RECIPE = replace(RECIPES['fm-fast'], name='mine', epochs=30)")
    return recipe


def adapted(recipes: list[Recipe], options: argparse.Namespace, console: Console) -> list[Recipe]:
    """`recipes` on the data that `options.data` names; says what was found there. ValueError as `prepare` has it."""
    if options.name and len(recipes) > 1:
        raise ValueError(f"--name {options.name}: there are {len(recipes)} recipes; name one, or leave --name out")
    if options.name and (problem := _misnomer(options.name)) is not None:
        raise ValueError(f"--name {options.name}: {problem}; say another")
    called, separator, path = options.data.rpartition("=")
    facts = _prepared(Path(path).expanduser(), called if separator else None, options.size, console)
    console.print(_told(facts), highlight=False, markup=False)
    if options.teacher:
        console.print(_taught_by(options.teacher, facts), highlight=False, markup=False)
    found, misnamed, unfit = [], [], []
    for recipe in recipes:
        name = options.name or default_name(recipe, facts, network=options.network, teacher=options.teacher)
        if (problem := _misnomer(name)) is not None:
            misnamed.append(f"{recipe.name} is left out: it would be called {name}, and {problem}; say --name NAME, or "
                            "give the data another: --data NAME=PATH")
            continue
        own = on_own_data(recipe, facts, network=options.network, name=name, teacher=options.teacher)
        if (problem := misfit(own, facts)) is None:
            found.append(own)
        elif options.network:
            unfit.append(f"--network {options.network} gives no network for these images: {problem}")
        else:
            unfit.append(f"{recipe.name} is left out: {recipe.architecture} does not take such images: {problem}")
    left_out = [*misnamed, *unfit]
    if not found and (options.network or not unfit):
        raise ValueError("\n".join(left_out))
    if not found:
        raise ValueError("\n".join([*left_out, f"what does: {_fitting(facts) or 'nothing'}; or say another --size"]))
    for line in left_out:
        console.print(line, highlight=False, markup=False)
    return found


def _misnomer(name: str) -> str | None:
    """Why nothing of one's own may be called so, as far as the recipe would not say it; None where it may."""
    if name in EVERY_RECIPE:
        return "a recipe here is called so: its runs would be taken for that one's"
    if name in COMMANDS:
        return "a command is called so: python -m export would take it for that"
    if len(name) > LONGEST_NAME:
        return f"that is {len(name)} characters, where a name has {LONGEST_NAME} at most"
    return None


def _fitting(facts: Facts) -> str:
    """The architectures that take such images, each with the first recipe whose network does."""
    found: dict[str, str] = {}
    for recipe in RECIPES.values():
        if recipe.architecture not in found and misfit(on_own_data(recipe, facts, name=recipe.name), facts) is None:
            found[recipe.architecture] = recipe.name
    return ", ".join(f"{architecture} ({name})" for architecture, name in found.items())


def refuse_without_data(options: argparse.Namespace) -> None:
    """ValueError for a flag that only means something with --data."""
    for flag in ("size", "network", "teacher", "name"):
        if getattr(options, flag) is not None:
            raise ValueError(f"--{flag} goes with --data: a recipe's own data, network and teacher are what they are")


def _taught_by(teacher: str, facts: Facts) -> str:
    """Who teaches, in words; ValueError when nobody of that name is here, or knows other images or classes."""
    from training.teacher import find_teacher  # brings torch, which a wrong question should not wait for

    try:
        return f"  learns from {find_teacher(teacher, facts.dataset).label}"
    except RunError as error:
        roots = ", ".join(map(str, model_roots()))
        raise ValueError(f"--teacher {teacher}: there is no such model under {roots} ($WEIGHBRIDGE_MODELS names other "
                         f"folders; python -m export import makes a model of any ONNX file), and {error}") from error
    except Unfit as error:
        raise ValueError(f"--teacher {teacher}: {error}") from error


def _prepared(path: Path, name: str | None, size: Size | None, console: Console) -> Facts:
    bar = Progress(TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
                   TextColumn("images"), TimeRemainingColumn(), console=console, transient=True,
                   disable=not console.is_terminal)
    with bar:
        tasks = {}

        def tell(doing: str, done: int, total: int) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(doing, total=total)
            bar.update(tasks[doing], completed=done)

        return prepare(path, name=name, size=size, tell=tell)


def _told(facts: Facts) -> str:
    kind = "grey" if facts.channels == 1 else "RGB"
    parts = f"{facts.train:,} images to train on, {facts.validation:,} held out, {facts.test:,} to test"
    lines = [
        f"{facts.name}: {len(facts.classes)} classes, {facts.height}x{facts.width} {kind}",
        f"  {parts} ({facts.rules['parts']})",
        f"  mean {', '.join(map(str, facts.mean))} and deviation {', '.join(map(str, facts.std))} of training images",
    ]
    if facts.resized:
        lines.append(f"  {facts.resized:,} images had another size: {facts.rules['size']}")
    if facts.left_out:
        lines.append(f"  {facts.left_out:,} images left out: another part has the same picture")
    return "\n".join(lines)


def _size(text: str) -> Size:
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; say HEIGHTxWIDTH in pixels, e.g. 64x64")
    return int(found[1]), int(found[2] or found[1])
