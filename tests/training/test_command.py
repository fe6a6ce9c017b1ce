"""The command line: what it trains, what it refuses, and what it says."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from training import campaign
from training.__main__ import main
from training.catalogue import select
from training.checkpoint import locked
from training.download import download
from training.execution import Execution
from training.loop import Task, train
from training.progress import Lines, Live, clock
from training.recipe import Recipe
from training.recipes import RECIPES, VARIANTS
from training.runs import Run

ROOT = Path(__file__).parents[2]
Out = pytest.CaptureFixture[str]


@pytest.fixture
def toy_recipes(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> dict[str, Recipe]:
    """Two toy recipes in place of the real ones."""
    short = replace(recipe, epochs=1)
    for name in ("toy-one", "toy-two"):
        monkeypatch.setitem(RECIPES, name, replace(short, name=name))
    return RECIPES


def test_list_shows_every_recipe_with_its_parameters_and_the_reported_figure(data_root: Path, capsys: Out) -> None:
    assert main(["--list"]) == 0

    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(lines) == {"recipe", *RECIPES}
    assert "1,077,834" in lines["fm002-cnn"]
    assert "91.79 " in lines["fm002-cnn"]


def test_show_prints_a_recipe_as_json_with_its_fingerprint(capsys: Out) -> None:
    assert main(["--show", "fm-fast"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown.pop("fingerprint") == RECIPES["fm-fast"].fingerprint
    assert Recipe.from_dict(shown) == RECIPES["fm-fast"]


@pytest.mark.parametrize("flag", [[], ["--show"]])
def test_an_unknown_name_is_refused_with_a_suggestion(capsys: Out, flag: list[str]) -> None:
    assert main([*flag, "fm-fats"]) == 2

    assert "no recipe is called 'fm-fats'; did you mean fm-fast" in capsys.readouterr().err


def test_a_name_near_nothing_points_to_the_list(capsys: Out) -> None:
    assert main(["zzz"]) == 2

    assert "python -m training --list shows all" in capsys.readouterr().err


def test_nothing_asked_is_answered_with_help(capsys: Out) -> None:
    assert main([]) == 2

    assert "usage: python -m training" in capsys.readouterr().out


def test_names_globs_and_all_select_recipes_once_and_in_order() -> None:
    assert [recipe.name for recipe in select(["fm000-relu", "fm000-lin*", "fm000-relu"])] == [
        "fm000-linear", "fm000-relu",
    ]
    assert len(select(["cf004-*"])) == 9
    assert len(select(["all", "fm-fast"])) == len(RECIPES)


def test_variants_are_trained_only_when_they_are_named() -> None:
    assert [recipe.name for recipe in select(["fm001-*"])] == ["fm001-mixer"]
    assert len(select(["fm001-mixer-batch-*"])) == 6
    assert [recipe.name for recipe in select(["fm002-next-vit"])] == ["fm002-next-vit"]


def test_variants_are_listed_apart(data_root: Path, capsys: Out) -> None:
    assert main(["--list", "--variants"]) == 0

    lines = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["recipe", *VARIANTS]


def test_the_list_needs_no_torch() -> None:
    code = "import sys; from training.__main__ import main; main(['--list']); sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True).returncode == 0


def test_missing_data_is_one_message_and_exit_code_2(data_root: Path, capsys: Out) -> None:
    assert main(["fm-fast"]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 4)
    assert err.startswith("fashion-mnist is not here")


def test_a_cuda_device_that_is_not_there_is_refused(
    toy_data: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    assert main(["fm-fast", "--device", "cuda"]) == 2
    assert "--device cuda: torch sees no CUDA device here" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [
    ["--seeds", "0"], ["--seeds", "2", "--seed", "1"], ["--seed", "-1"], ["--lr", "0.1"],
])
def test_impossible_flags_and_hyper_parameters_are_refused(arguments: list[str], capsys: Out) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["fm-fast", *arguments])


def test_a_recipe_of_ones_own_wants_data_and_a_report_wants_a_place(tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "file").touch()

    assert main(["mine.py"]) == 2
    assert main(["report", "--output", str(tmp_path / "file" / "report.html")]) == 2

    said = capsys.readouterr().err
    assert "mine.py: a recipe of your own goes with --data FOLDER" in said
    assert str(tmp_path / "file") in said


def test_the_report_protocol_of_a_recipe_without_one_is_refused(toy_data: Path, capsys: Out) -> None:
    assert main(["fm-fast", "--protocol", "report"]) == 2

    assert "fm-fast is not from a report" in capsys.readouterr().err


def test_several_names_and_seeds_are_trained_and_skipped_when_complete(
    toy_data: Path, toy_recipes: dict[str, Recipe], tmp_path: Path, capsys: Out
) -> None:
    command = ["toy-*", "--seeds", "2", "--threads", "1", "--no-probe"]

    assert main(command) == 0
    first = capsys.readouterr().out
    assert main(command) == 0
    second = capsys.readouterr().out

    headings = [line.split(" (")[0] for line in first.splitlines() if line.startswith("toy")]
    assert headings == ["toy-one seed 0", "toy-two seed 0", "toy-one seed 1", "toy-two seed 1"]
    assert second.count(": complete, validation") == 4
    assert "epoch" not in second
    assert len(list((tmp_path / "runs").glob("*/*/clean/seed-*/result.json"))) == 4


def test_no_time_at_all_still_gets_one_epoch_further_and_says_what_is_left(
    toy_data: Path, toy_recipes: dict[str, Recipe], capsys: Out
) -> None:
    assert main(["toy-*", "--max-minutes", "0", "--threads", "1", "--no-probe"]) == 3

    assert "out of time with 1 run to finish; the same command goes on from here" in capsys.readouterr().out


def test_a_run_that_fails_is_told_and_does_not_stop_the_others(
    toy_data: Path, toy_recipes: dict[str, Recipe], capsys: Out, tmp_path: Path
) -> None:
    with locked(Task(RECIPES["toy-one"]).folder):
        assert main(["toy-*", "--threads", "1", "--no-probe"]) == 2

    assert "another process is training this run" in capsys.readouterr().err
    assert len(list((tmp_path / "runs" / "toy-two").glob("*/clean/seed-0/result.json"))) == 1


def test_a_run_that_torch_cannot_finish_is_told_in_a_line_and_does_not_stop_the_others(
    toy_data: Path, toy_recipes: dict[str, Recipe], capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short_of_memory(task: Task, **how: Any) -> Run | None:
        if task.recipe.name == "toy-one":
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 GiB")
        return train(task, **how)

    monkeypatch.setattr(campaign, "train", short_of_memory)

    assert main(["toy-*", "--threads", "1", "--no-probe"]) == 2

    assert capsys.readouterr().err == (
        "toy-one seed 0 (clean): OutOfMemoryError: CUDA out of memory.; what was finished is saved, the same command "
        "goes on from there\n"
    )
    assert len(list((tmp_path / "runs" / "toy-two").glob("*/clean/seed-0/result.json"))) == 1


def test_a_terminal_sees_loss_accuracy_rate_and_time_left(
    toy_data: Path, recipe: Recipe, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.loop.SHOW_EVERY_S", 0)
    screen = io.StringIO()
    live = Live(Console(file=screen, force_terminal=True, width=160, soft_wrap=True))

    train(Task(recipe), execution=execution, watcher=live)
    live.close()

    seen = screen.getvalue()
    for part in ("epoch 4/4", "loss ", "accuracy ", "images/s", "validation", "0:00:0"):
        assert part in seen


def test_a_log_gets_one_line_per_epoch_and_no_control_characters(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    log = io.StringIO()

    train(Task(recipe), execution=execution, watcher=Lines(Console(file=log, width=300)))

    lines = log.getvalue().splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["epoch", f"{number}/4"] for number in (1, 2, 3, 4)]
    assert "\x1b" not in log.getvalue()
    assert "from the start" in lines[0]


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0:00"), (59.7, "1:00"), (3723, "1:02:03")])
def test_times_read_as_clocks(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_what_has_no_download_says_what_has() -> None:
    with pytest.raises(ValueError, match="cifar10-jpeg cannot be downloaded; what can: fashion-mnist, cifar10"):
        download("cifar10-jpeg")


def test_a_download_that_fails_says_so_in_one_line(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    def unreachable(**_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("torchvision.datasets.FashionMNIST", unreachable)

    assert main(["--download", "fashion-mnist"]) == 2
    assert "could not be downloaded into" in capsys.readouterr().err
