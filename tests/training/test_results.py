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
from training.recipes import EVERY_RECIPE, RECIPES, VARIANTS
from training.results import FOLDER, read_all, write_all
from training.results.durations import read_probes
from training.results.files import stale
from training.results.pooled import per_recipe
from training.results.probing import keep
from training.results.summary import _after

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


def test_runs_on_two_kinds_of_device_count_together_and_a_seed_counts_once(
    store: Store, runs: Path, folder: Path
) -> None:
    for seed, figure in enumerate((0.884, 0.885, 0.886)):
        store(runs, RECIPES["fm002-ann"], seed, figure)
    write_all(folder, root=runs)
    shutil.rmtree(runs)
    for seed, figure in ((2, 0.93), (3, 0.887)):
        store(runs, RECIPES["fm002-ann"], seed, figure, device="cuda")
    store(runs, RECIPES["fm002-ann"], 0, 0.88, protocol="clean", device="cuda")
    write_all(folder, root=runs)

    pooled = per_recipe(read_all(folder))["fm002-ann"]

    seeds = pooled["protocols"]["report"]["seeds"]
    assert [(kept["seed"], kept["figure"]["accuracy"]) for kept in seeds] == [
        (0, 0.884), (1, 0.885), (2, 0.886), (3, 0.887)]
    assert pooled["row"]["data"] == "fashion-mnist, cpu and cuda"
    assert pooled["row"]["ours, clean protocol"].endswith("n = 1)")
    assert "our mean 88.55 % of 4 seeds" in pooled["verdict"]["reason"]
    assert pooled["row"]["why"].endswith("by themselves: on cuda not decidable (n = 2)")
    assert {result["device"]: len(result["protocols"]["report"]["seeds"]) for result in read_all(folder)} == {
        "cpu": 3, "cuda": 2}


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

    assert {path.name for path in write_all(folder, root=runs)} == {
        "fm002-ann.fashion-mnist.cpu.json", "reproduction.json", "README.md",
    }
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


def test_a_network_that_is_wrong_only_as_it_is_served_is_told_apart(store: Store, runs: Path, folder: Path) -> None:
    store(runs, RECIPES["fm002-cnn"], 0, 0.35)  # and 80 % while learning
    store(runs, RECIPES["fm002-ann"], 0, 0.78)

    write_all(folder, root=runs)

    reasons = {result["recipe"]: result["verdict"]["reason"] for result in read_all(folder)}
    assert "of its own training images ours answers 80.00 % rightly while learning and 35.00 % afterwards" in (
        reasons["fm002-cnn"]
    )
    assert "while learning and" not in reasons["fm002-ann"]


def test_a_report_that_names_two_lengths_is_told_the_figure_after_both(
    store: Store, runs: Path, folder: Path
) -> None:
    store(runs, RECIPES["cf004-tanh-1"], 0, 0.44)

    write_all(folder, root=runs)

    told = only(folder)["verdict"]["reason"]
    assert "; after 20 epochs ours was 80.00 %, and 80.00 % on train while learning" in told


@pytest.mark.parametrize(("reproduced", "figure", "fits"), [
    (False, 0.441, True), (False, 0.46, False), (True, 0.441, False),
])
def test_the_other_length_is_said_to_fit_only_where_it_does_and_is_needed(
    reproduced: bool, figure: float, fits: bool
) -> None:
    curves = {"watched_accuracy": [0.1, figure, 0.5], "train_accuracy": [0.1, 0.42, 0.6]}
    held = {"seeds": [{"curves": curves, "test": {"count": 15_000}}]}

    said = _after(2, (0.4396, 0.4396), held, reproduced=reproduced)

    assert said.startswith(f"after 2 epochs ours was {100 * figure:.2f} %, and 42.00 % on train while learning")
    assert said.endswith(": the images cannot tell it from the reported one") == fits


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

    table = [line for line in (folder / "README.md").read_text().split("## Variants")[0].splitlines() if "|" in line]
    head, rule, *lines = table
    assert [line.split(" | ")[0] for line in lines] == [f"| {name}" for name in RECIPES]
    assert {line.count(" | ") for line in (head, rule, *lines)} == {7}
    assert "88.43 (87.79 to 89.04, n = 1) | - | reproduced" in lines[list(RECIPES).index("fm002-ann")]
    assert lines[0].endswith("| - | - | not run | not run |")
    assert "| fm002-ann-sgd | fashion-mnist, cpu |" in (folder / "README.md").read_text()
    index = json.loads((folder / "reproduction.json").read_bytes())
    assert [next(iter(row.values())) for row in index["rows"]] == list(RECIPES)


def test_what_was_not_run_says_how_long_it_would_take_by_measured_steps(folder: Path) -> None:
    machine = {"cpu": "a CPU", "cores": 2}
    keep(folder, [{"recipe": "fm001-mixer", "seconds": 5760.0, "machine": machine}])

    write_all(folder, root=folder)

    rows = {row["recipe"]: row for row in json.loads((folder / "reproduction.json").read_bytes())["rows"]}
    assert rows["fm001-mixer"]["verdict"] == "not run: about 1.6 hours of one core"
    assert rows["fm001-mixer"]["why"] == (
        "not run: one run takes about 1.6 hours of one core (2 cores of a CPU), by the step times measured there"
    )
    assert rows["fm001-mixer"]["ours, clean protocol"] == "-"
    assert rows["fm002-cnn"]["verdict"] == "not run"


def test_steps_are_measured_and_kept_until_they_are_measured_again(
    data_root: Path, toy_data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr("training.results.files.FOLDER", folder)

    assert main(["probe", "fm000-linear"]) == 0
    assert main(["probe", "fm000-linear"]) == 0

    (kept,) = read_probes(folder)
    assert kept["steps"] == 10 * 1719  # 55,000 images in batches of 32, ten epochs
    assert kept["seconds"] == pytest.approx(kept["steps"] * kept["step_cpu_ms"] / 1000, abs=100)
    assert "; 17,190 steps take about " in capsys.readouterr().out


def test_the_reported_losses_point_to_the_nearest_reading_and_no_test_image_has_a_say(
    store: Store, runs: Path, folder: Path
) -> None:
    held_out = {"count": 10_000, "correct": 9000, "accuracy": 0.9, "confusion": [[1]]}
    for name, figure, train_loss, loss in (
        ("fm002-ann-mod", 0.80, 0.26, 0.30), ("fm002-ann-mod-norm-first", 0.81, 0.16, 0.30),
        ("fm002-ann-mod-dropout-0.1", 0.899, 0.16, 0.35),
    ):
        run = store(runs, EVERY_RECIPE[name], 0, figure)
        result = json.loads((run / "result.json").read_bytes()) | {"validation": {**held_out, "loss": loss}}
        (run / "result.json").write_text(json.dumps(result))
        (run / "history.jsonl").write_text((run / "history.jsonl").read_text().replace("0.5", str(train_loss)))

    write_all(folder, root=runs)

    (why,) = (result["row"]["why"] for result in read_all(folder) if result["recipe"] == "fm002-ann-mod")
    assert "train and validation loss 0.153 and 0.296 reported, 0.260 and 0.300 ours" in why
    assert why.endswith("; nearest to the reported losses comes fm002-ann-mod-norm-first with 0.160 and 0.300")


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        ([0.75, 0.80, 0.84, 0.842, 0.86], "; ours was there after epochs 3 to 4 of 5;"),
        ([0.75, 0.84, 0.86, 0.84, 0.87], "; ours was there after 2 of the epochs 2 to 4 of 5;"),
        ([0.86, 0.87, 0.88], "; at no epoch was ours there: it ran from 86.00 % to 88.00 %;"),
    ],
)
def test_a_figure_that_our_curve_passes_is_told_with_its_epochs(
    store: Store, runs: Path, folder: Path, curve: list[float], said: str
) -> None:
    run = store(runs, RECIPES["fm004-frac-0.2"], 0, curve[-1] + 0.03)
    side = {"loss": 0.5, "accuracy": 0.8}
    lines = [{"epoch": 1, "train": side, "watched": {**side, "accuracy": accuracy}} for accuracy in curve]
    (run / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    write_all(folder, root=runs)

    assert said in only(folder)["row"]["why"]


def test_the_table_needs_no_torch() -> None:
    code = (
        "import sys; from training.results import *; rows(read_all(FOLDER)); "
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
