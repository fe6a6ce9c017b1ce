"""Result files hold what finished runs gave, are never made poorer, and are enough for the table."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from training.__main__ import main
from training.catalogue import listing
from training.recipes import RECIPES, VARIANTS
from training.results import FOLDER, read_all, reproduction_table, write_all
from training.results.files import stale

Out = pytest.CaptureFixture[str]
Store = Callable[..., Path]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def only(folder: Path) -> dict[str, Any]:
    (result,) = read_all(folder)
    return result


def test_a_file_holds_mean_interval_verdict_and_every_seed(store: Store, runs: Path, folder: Path) -> None:
    for seed, figure in enumerate((0.884, 0.885, 0.886)):
        store(runs, RECIPES["fm002-ann"], seed, figure)
    store(runs, RECIPES["fm002-ann"], 0, 0.88, protocol="clean")

    write_all(folder, root=runs)

    result = only(folder)
    assert (folder / "fm002-ann.fashion-mnist.cpu.json").is_file()
    summary = result["protocols"]["report"]["summary"]
    assert (summary["n"], summary["mean"]) == (3, 0.885)
    assert summary["high"] - summary["mean"] == pytest.approx(4.3027 * 0.001 / 3**0.5, abs=1e-5)
    assert summary["interval"] == "95 % t-interval over 3 seeds"
    assert result["protocols"]["clean"]["summary"]["interval"] == "95 % Wilson interval of 10,000 test images"
    assert result["verdict"]["word"] == "reproduced"
    assert result["environments"] == [{"machine": {"cpu": "one"}, "versions": {"torch": "2"}}]
    assert [kept["curves"]["watched_loss"] for kept in result["protocols"]["report"]["seeds"]] == [[0.5] * 30] * 3
    assert result["row"]["ours, the report's protocol"] == "88.50 (88.25 to 88.75, n = 3)"


def test_an_unfinished_run_is_not_in_it(store: Store, runs: Path, folder: Path) -> None:
    store(runs, RECIPES["fm002-ann"], 0, 0.88)
    (store(runs, RECIPES["fm002-ann"], 1, 0.99) / "result.json").unlink()

    write_all(folder, root=runs)

    assert [kept["seed"] for kept in only(folder)["protocols"]["report"]["seeds"]] == [0]


def test_deriving_again_changes_nothing(store: Store, runs: Path, folder: Path) -> None:
    store(runs, RECIPES["fm002-ann"], 0, 0.88)

    assert len(write_all(folder, root=runs)) == 2
    assert write_all(folder, root=runs) == []


def test_seeds_of_another_machine_stay_with_their_machine(store: Store, runs: Path, folder: Path) -> None:
    there = store(runs, RECIPES["fm002-ann"], 0, 0.88, cpu="there")
    write_all(folder, root=runs)
    shutil.rmtree(there)
    store(runs, RECIPES["fm002-ann"], 1, 0.89, cpu="here")

    write_all(folder, root=runs)

    result = only(folder)
    made = [(kept["seed"], result["environments"][kept["environment"]]["machine"]["cpu"])
            for kept in result["protocols"]["report"]["seeds"]]
    assert made == [(0, "there"), (1, "here")]


def test_runs_of_an_older_recipe_leave_the_table_and_are_named(store: Store, runs: Path, folder: Path) -> None:
    recipe = RECIPES["fm002-ann"]
    store(runs, recipe, 0, 0.88)
    write_all(folder, root=runs)
    path = folder / "fm002-ann.fashion-mnist.cpu.json"
    path.write_text(path.read_text().replace(recipe.fingerprint, "00000000"))

    assert (read_all(folder), stale(folder)) == ([], [path])


def test_each_device_and_each_copy_of_the_data_has_its_own_file(store: Store, runs: Path, folder: Path) -> None:
    recipe = RECIPES["cf003"]
    store(runs, recipe, 0, 0.83)
    store(runs, recipe, 1, 0.83, device="cuda")
    store(runs, replace(recipe, dataset="cifar10-jpeg"), 0, 0.70)

    write_all(folder, root=runs)

    assert {path.name for path in folder.glob("cf003*")} == {
        "cf003.cifar10.cpu.json", "cf003.cifar10.cuda.json", "cf003.cifar10-jpeg.cpu.json",
    }
    jpeg = json.loads((folder / "cf003.cifar10-jpeg.cpu.json").read_bytes())
    assert jpeg["verdict"]["word"] == "not reproduced"
    assert "ours are JPEG copies of the images" in jpeg["verdict"]["reason"]
    assert "the report leaves open: widths" in jpeg["verdict"]["reason"]


def test_the_lift_of_choosing_on_the_test_split_is_told(store: Store, runs: Path, folder: Path) -> None:
    store(runs, RECIPES["fm001-mixer"], 0, 0.90, last=0.89)

    write_all(folder, root=runs)

    assert "lifts the last epoch's figure by 1.00 points" in only(folder)["verdict"]["reason"]


def test_a_report_that_names_two_lengths_is_told_the_figure_after_both(
    store: Store, runs: Path, folder: Path
) -> None:
    store(runs, RECIPES["cf004-tanh-1"], 0, 0.44)

    write_all(folder, root=runs)

    assert "; after 20 epochs ours was 80.00 %" in only(folder)["verdict"]["reason"]


def test_the_list_shows_our_figure_with_its_seeds_and_the_verdict(store: Store, runs: Path, folder: Path) -> None:
    for seed in (0, 1):
        store(runs, RECIPES["fm002-ann"], seed, 0.8843)
    write_all(folder, root=runs)
    screen = StringIO()

    Console(file=screen, width=200).print(listing(folder))

    (line,) = (line for line in screen.getvalue().splitlines() if line.startswith("fm002-ann "))
    assert "88.43 (2)  reproduced" in line


def test_a_figure_that_is_not_reproduced_comes_with_the_other_readings_that_were_tried(
    store: Store, runs: Path, folder: Path
) -> None:
    store(runs, RECIPES["fm002-ann-mod"], 0, 0.80)
    store(runs, RECIPES["fm002-ann"], 0, 0.80)
    store(runs, VARIANTS["fm002-ann-mod-dropout-0.1"], 0, 0.8990)

    write_all(folder, root=runs)

    why = {result["recipe"]: result["row"]["why"] for result in read_all(folder)}
    assert why["fm002-ann-mod"].endswith(
        "; other readings tried: fm002-ann-mod-dropout-0.1 gives 89.90 % (n = 1)"
    )
    assert "other readings" not in why["fm002-ann"]
    assert write_all(folder, root=runs) == []


@pytest.mark.parametrize(("figure", "word"), [(0.95, "above"), (0.92, "not surely above"), (0.90, "below")])
def test_our_own_nets_are_measured_against_the_best_report(
    store: Store, runs: Path, folder: Path, figure: float, word: str
) -> None:
    store(runs, RECIPES["fm-fast"], 0, figure, protocol="clean")

    write_all(folder, root=runs)

    assert only(folder)["verdict"]["reason"] == (
        f"ours, {word} 91.79 % (fm002-cnn), the best of the reports on this data"
    )


def test_the_table_has_a_row_per_recipe_also_for_those_not_run(store: Store, runs: Path, folder: Path) -> None:
    store(runs, RECIPES["fm002-ann"], 0, 0.8843)
    store(runs, VARIANTS["fm002-ann-sgd"], 0, 0.88)
    write_all(folder, root=runs)

    head, rule, *lines = reproduction_table(folder).splitlines()

    assert [line.split(" | ")[0] for line in lines] == [f"| {name}" for name in RECIPES]
    assert {line.count(" | ") for line in (head, rule, *lines)} == {7}
    assert "88.43 (87.79 to 89.04, n = 1) | - | reproduced" in lines[list(RECIPES).index("fm002-ann")]
    assert lines[0].endswith("| - | - | - | not run yet |")
    index = json.loads((folder / "reproduction.json").read_bytes())
    assert [next(iter(row.values())) for row in index["rows"]] == list(RECIPES)


def test_the_table_needs_no_torch() -> None:
    code = (
        "import sys; from training.results import *; reproduction_table(FOLDER); "
        "import training.__main__; sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parents[1], check=False).returncode == 0


def test_the_committed_files_are_of_today_s_recipes_and_of_today_s_rule(tmp_path: Path) -> None:
    copy = shutil.copytree(FOLDER, tmp_path / "copy", ignore=shutil.ignore_patterns("*.py", "__pycache__"))

    assert stale(copy) == []
    assert write_all(copy, root=tmp_path / "no-runs") == []  # else: python -m training results


def test_the_command_says_what_it_wrote(
    store: Store, data_root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out, tmp_path: Path
) -> None:
    monkeypatch.setattr("training.results.files.FOLDER", folder)
    store(tmp_path / "runs", RECIPES["fm002-ann"], 0, 0.8843)

    assert main(["results"]) == 0
    assert "fm002-ann.fashion-mnist.cpu.json" in capsys.readouterr().out
    assert main(["results"]) == 0
    assert "nothing has changed" in capsys.readouterr().out
