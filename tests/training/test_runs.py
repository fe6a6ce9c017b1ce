"""Only complete runs are found, the best of them by validation, and weights load without running anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from training.recipe import Recipe
from training.recipes import RECIPES
from training.runs import RunError, complete_runs, find_run, run_folder


def store(root: Path, recipe: Recipe, seed: int, validation: float | None, *, protocol: str = "clean") -> Path:
    """A complete run with nothing in it but what finding needs."""
    folder = run_folder(recipe, seed=seed, protocol=protocol, root=root)
    folder.mkdir(parents=True)
    torch.save({"weight": torch.tensor([seed])}, folder / "weights.pt")
    result: dict[str, Any] = {
        "recipe": recipe.to_dict(),
        "seed": seed,
        "protocol": protocol,
        "validation": None if validation is None else {"accuracy": validation},
        "test": {"accuracy": 1 - seed / 10},
    }
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_without_a_seed_the_best_validation_accuracy_wins_whatever_the_test_says(tmp_path: Path) -> None:
    for seed, validation in enumerate((0.90, 0.92, 0.91)):
        store(tmp_path, RECIPES["fm-fast"], seed, validation)

    run = find_run("fm-fast", root=tmp_path)

    assert (run.seed, run.protocol, run.recipe) == (1, "clean", RECIPES["fm-fast"])
    assert run.load_weights()["weight"].item() == 1


def test_equal_runs_and_runs_without_validation_go_to_the_smallest_seed(tmp_path: Path) -> None:
    for seed in (2, 0, 1):
        store(tmp_path, RECIPES["fm001-mixer"], seed, None, protocol="report")

    assert find_run("fm001-mixer", root=tmp_path, protocol="report").seed == 0


def test_a_seed_asked_for_is_the_seed_given_or_an_error(tmp_path: Path) -> None:
    store(tmp_path, RECIPES["fm-fast"], 1, 0.9)

    assert find_run("fm-fast", root=tmp_path, seed=1).seed == 1
    with pytest.raises(RunError, match=r"no complete run of fm-fast with seed 2 .* -m training fm-fast --seed 2"):
        find_run("fm-fast", root=tmp_path, seed=2)


def test_an_unfinished_run_is_not_found(tmp_path: Path) -> None:
    (store(tmp_path, RECIPES["fm-fast"], 0, 0.9) / "result.json").unlink()

    with pytest.raises(RunError, match="no complete run of fm-fast"):
        find_run("fm-fast", root=tmp_path)


def test_a_run_of_an_older_version_of_the_recipe_is_not_taken_for_one_of_today_s(tmp_path: Path) -> None:
    store(tmp_path, replace(RECIPES["fm-fast"], lr=0.5), 0, 0.99)

    assert complete_runs("fm-fast", root=tmp_path) == []


def test_a_run_on_the_jpeg_copy_counts_for_its_recipe_until_there_is_one_on_the_original(tmp_path: Path) -> None:
    recipe = RECIPES["cf003"]
    store(tmp_path, replace(recipe, dataset="cifar10-jpeg"), 0, 0.99)
    assert find_run("cf003", root=tmp_path).recipe.dataset == "cifar10-jpeg"

    store(tmp_path, recipe, 1, 0.5)
    assert find_run("cf003", root=tmp_path).recipe.dataset == "cifar10"


def test_a_recipe_from_elsewhere_is_found_by_its_folder(tmp_path: Path, recipe: Recipe) -> None:
    store(tmp_path, recipe, 0, 0.9)
    assert find_run("toy", root=tmp_path).recipe.fingerprint == recipe.fingerprint

    store(tmp_path, replace(recipe, lr=0.5), 0, 0.9)
    with pytest.raises(RunError, match="several versions"):
        find_run("toy", root=tmp_path)


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    (store(tmp_path, RECIPES["fm-fast"], 0, 0.9) / "result.json").write_text('{"recipe": ')

    with pytest.raises(RunError, match=r"result\.json: unreadable"):
        find_run("fm-fast", root=tmp_path)
