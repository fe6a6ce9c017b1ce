"""One result file's content, from the entries of its seeds: means, intervals, the verdict and the table's row."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean
from typing import Any

from training.protocol import PROTOCOLS
from training.recipe import Recipe
from training.recipes import PARAMETERS, RECIPES
from training.results.interval import mean_interval, wilson
from training.results.verdict import REPRODUCED, judge

DISAGREEMENT = 0.05  # in accuracy; the widest gap of a network in order is .01

Entries = dict[str, list[dict[str, Any]]]  # protocol -> one entry per seed


def summarise(recipe: Recipe, device: str, entries: Entries) -> dict[str, Any]:
    """The file of `recipe`, which is on the data set that was really used, and its runs on one kind of device."""
    protocols, environments = {}, list[dict[str, Any]]()
    for name in PROTOCOLS:
        if not (seeds := sorted(entries.get(name, []), key=lambda kept: kept["seed"])):
            continue
        numbered = []
        for kept in seeds:
            where = kept["environment"]
            if where not in environments:
                environments.append(where)
            numbered.append({**kept, "environment": environments.index(where)})
        protocols[name] = {"split": asdict(recipe.protocol(name)), "summary": _spread(seeds), "seeds": numbered}
    word, reason = _verdict(recipe, protocols)
    reported = recipe.to_dict()["reported"]
    return {
        "schema": 1,
        "recipe": recipe.name,
        "fingerprint": recipe.fingerprint,
        "description": recipe.description,
        "dataset": recipe.dataset,
        "device": device,
        "parameters": PARAMETERS[recipe.name],
        "epochs": recipe.epochs,
        "fraction": recipe.fraction,
        "reported": reported,
        "verdict": {"word": word, "reason": reason},
        "row": row(recipe, device=device, protocols=protocols, word=word, reason=reason),
        "environments": environments,
        "protocols": protocols,
    }


def row(
    recipe: Recipe, *, device: str = "", protocols: dict[str, Any] | None = None, word: str = "-", reason: str = ""
) -> dict[str, str]:
    """The table's row, as text."""
    summaries = {name: held["summary"] for name, held in (protocols or {}).items()}
    return {
        "recipe": recipe.name,
        "data": f"{recipe.dataset}, {device}" if device else recipe.dataset,
        "parameters": f"{PARAMETERS[recipe.name]:,}",
        "reported": figure_range(recipe),
        "ours, the report's protocol": _cell(summaries.get("report")),
        "ours, clean protocol": _cell(summaries.get("clean")),
        "verdict": word,
        "why": reason,
    }


def figure_range(recipe: Recipe) -> str:
    """What the report says, in per cent; `-` where it says nothing."""
    if recipe.reported is None:
        return "-"
    low, high = recipe.reported.test
    return f"{100 * low:.2f}" if low == high else f"{100 * low:.2f} to {100 * high:.2f}"


def _cell(summary: dict[str, Any] | None) -> str:
    if summary is None:
        return "-"
    mean, low, high = (100 * summary[key] for key in ("mean", "low", "high"))
    return f"{mean:.2f} ({low:.2f} to {high:.2f}, n = {summary['n']})"


def _spread(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and 95 % interval over the seeds; for one seed Wilson's interval of its test images, and it says so."""
    figures = [kept["figure"]["accuracy"] for kept in seeds]
    count = seeds[0]["test"]["count"]
    low, high = mean_interval(figures) if len(figures) > 1 else wilson(figures[0], count)
    kind = f"t-interval over {len(figures)} seeds" if len(figures) > 1 else f"Wilson interval of {count:,} test images"
    return {
        "n": len(figures),
        "mean": round(fmean(figures), 6),
        "low": round(max(0.0, low), 6),
        "high": round(min(1.0, high), 6),
        "interval": f"95 % {kind}",
        "train_accuracy": round(fmean(kept["train"]["accuracy"] for kept in seeds), 6),
        "last_epoch_test_accuracy": round(fmean(kept["test"]["accuracy"] for kept in seeds), 6),
        "wall_s": round(sum(kept["wall_s"] for kept in seeds), 1),
        "images_per_s": round(fmean(kept["images_per_s"] for kept in seeds), 1),
    }


def _verdict(recipe: Recipe, protocols: dict[str, Any]) -> tuple[str, str]:
    if recipe.reported is None:
        return "-", _ours(recipe, protocols) if recipe.report is None else "a variant of ours: the report has no figure"
    if (held := protocols.get("report")) is None:
        return "-", "not run yet under the report's protocol"
    figures = [kept["figure"]["accuracy"] for kept in held["seeds"]]
    verdict = judge(recipe.reported.test, figures, held["seeds"][0]["test"]["count"])
    parts = [verdict.reason]
    if held["split"]["picks"] == "best":
        lift = held["summary"]["mean"] - held["summary"]["last_epoch_test_accuracy"]
        parts.append(f"both are the best epoch on the test split, which in our runs lifts the last epoch's figure by "
                     f"{100 * lift:.2f} points")
    if recipe.reported.train is not None and recipe.reported.train[0] == recipe.reported.train[1]:
        parts.append(f"train accuracy {100 * recipe.reported.train[0]:.2f} % reported, "
                     f"{100 * held['summary']['train_accuracy']:.2f} % ours")
    if recipe.reported.losses is not None and (ours := losses_of(held["seeds"])):
        theirs = recipe.reported.losses
        parts.append(f"train and validation loss {theirs[0]:.3f} and {theirs[1]:.3f} reported, {ours[0]:.3f} and "
                     f"{ours[1]:.3f} ours")
    if told := _disagreement(held["seeds"]):
        parts.append(told)
    if verdict.word != REPRODUCED and (passing := _passing(recipe.reported.test, held)):
        parts.append(passing)
    if (epoch := recipe.reported.or_epoch) is not None and held["split"]["watches"] == held["split"]["tests_on"]:
        parts.append(_after(epoch, recipe.reported.test, held, reproduced=verdict.word == REPRODUCED))
    if verdict.word != REPRODUCED and recipe.reported.silent_on:
        parts.append(f"the report leaves open: {recipe.reported.silent_on}")
    if verdict.word != REPRODUCED and recipe.dataset != RECIPES[recipe.name].dataset:
        parts.append("ours are JPEG copies of the images")
    return verdict.word, "; ".join(parts)


def _after(epoch: int, reported: tuple[float, float], held: dict[str, Any], *, reproduced: bool) -> str:
    """Our figure and train accuracy at the other epoch that a report may mean, and whether the figure would fit it.

    The verdict stays with the recipe's own number of epochs: of two tries, one fits by chance more easily.
    """
    seeds = held["seeds"]
    figure, train = (fmean(kept["curves"][f"{side}_accuracy"][epoch - 1] for kept in seeds)
                     for side in ("watched", "train"))
    said = f"after {epoch} epochs ours was {100 * figure:.2f} %, and {100 * train:.2f} % on train while learning"
    fits = judge(reported, [figure], seeds[0]["test"]["count"]).word == REPRODUCED
    return f"{said}: the images cannot tell it from the reported one" if fits and not reproduced else said


def _disagreement(seeds: list[dict[str, Any]]) -> str:
    """That a network is far better with dropout on than as it is served; empty where it is not. What training measures
    on the way is of weights that still get better, so only a gap the other way round needs an explanation."""
    learning = fmean(kept["curves"]["train_accuracy"][-1] for kept in seeds)
    served = fmean(kept["train"]["accuracy"] for kept in seeds)
    if learning - served < DISAGREEMENT:
        return ""
    return (f"of its own training images ours answers {100 * learning:.2f} % rightly while learning and "
            f"{100 * served:.2f} % afterwards: without dropout, batch norm no longer fits (training/LOG.md)")


def losses_of(seeds: list[dict[str, Any]]) -> tuple[float, float] | None:
    """Train loss while learning and held-out loss, both of the last epoch and the mean over seeds.

    None where the test split was watched in the place of held-out images.
    """
    if any(not kept["validation"] or kept["test"]["split"] == "held-out" for kept in seeds):
        return None
    train = fmean(kept["curves"]["train_loss"][-1] for kept in seeds)
    return train, fmean(kept["validation"]["loss"] for kept in seeds)


def _passing(reported: tuple[float, float], held: dict[str, Any]) -> str:
    """After which epochs our mean curve was at the reported figure although its end is not; empty when it never was."""
    if held["split"]["watches"] != held["split"]["tests_on"]:
        return ""
    seeds = held["seeds"]
    curve = [fmean(values) for values in zip(*(kept["curves"]["watched_accuracy"] for kept in seeds), strict=True)]
    images = wilson(fmean(reported), seeds[0]["test"]["count"])
    low, high = (min(reported[0], images[0]), max(reported[1], images[1]))
    epochs = [number for number, accuracy in enumerate(curve, 1) if low <= accuracy <= high]
    if not epochs:
        return f"at no epoch was ours there: it ran from {100 * min(curve):.2f} % to {100 * max(curve):.2f} %"
    first, last = epochs[0], epochs[-1]
    if last - first + 1 == len(epochs):
        said = f"epoch {first}" if first == last else f"epochs {first} to {last}"
    else:
        said = f"{len(epochs)} of the epochs {first} to {last}"
    return f"ours was there after {said} of {len(curve)}"


def _ours(recipe: Recipe, protocols: dict[str, Any]) -> str:
    """How a recipe of ours stands to the best figure any report has on the same data."""
    family = recipe.dataset.removesuffix("-jpeg")
    best = max(
        (other for other in RECIPES.values() if other.reported and other.dataset == family),
        key=lambda other: other.reported.test[1] if other.reported else 0.0,
    )
    assert best.reported is not None
    rival = f"{100 * best.reported.test[1]:.2f} % ({best.name}), the best of the reports on this data"
    if "clean" not in protocols:
        return f"ours; to beat: {rival}"
    summary = protocols["clean"]["summary"]
    if summary["low"] > best.reported.test[1]:
        return f"ours, above {rival}"
    return f"ours, {'not surely above' if summary['mean'] > best.reported.test[1] else 'below'} {rival}"
