"""Recipes on data of one's own: what is replaced, what is recorded, and that it serves like everything else."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export.__main__ import main as export
from service.card import read_card
from service.splits import Split
from training import loop
from training.__main__ import main
from training.architectures.fastnet import FastNet
from training.material import Material
from training.own.adapt import misfit, on_own_data
from training.own.network import called, pin
from training.own.prepare import prepare
from training.recipe import Recipe
from training.recipes import RECIPES
from training.results import files
from training.runs import find_run

Out = pytest.CaptureFixture[str]
QUICK = ["--threads", "1", "--no-probe"]


@pytest.fixture
def short(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A toy recipe in the table, of a report, with a floor."""
    entry = replace(recipe, name="toy", floor=0.99, batch_size=16)
    monkeypatch.setitem(RECIPES, "toy", entry)
    return entry


def test_a_recipe_trains_exports_and_records_what_was_computed(
    shapes: Path, short: Recipe, tmp_path: Path, capsys: Out
) -> None:
    assert main(["toy", "--data", str(shapes), *QUICK]) == 0
    assert export(["bright-columns-toy", "--format", "onnx", "--to", str(tmp_path / "models")]) == 0

    out = capsys.readouterr().out
    result = json.loads(next((tmp_path / "runs").glob("bright-columns-toy/*/clean/seed-0/result.json")).read_bytes())
    card = read_card(tmp_path / "models" / "bright-columns-toy" / "1")
    split = Split.find(tmp_path / "models" / "splits" / "bright-columns-test")
    facts = prepare(shapes)
    assert "63 images to train on, 9 held out, 18 to test" in out
    assert result["data"] == card.training["data"] == facts.to_dict()
    assert result["data"]["classes"] == [*card.classes]
    assert result["recipe"]["normalization"] == {"mean": [*facts.mean], "std": [*facts.std]}
    assert (result["test_split_scored"], result["test"]["count"], result["validation"]["count"]) == (1, 18, 9)
    assert card.score is not None
    assert (card.score.dataset, card.score.split, card.score.count) == ("bright-columns", "test", split.card.count)
    assert split.card.classes == card.classes


def test_a_model_that_is_served_teaches_a_network_on_the_same_images(
    shapes: Path, short: Recipe, tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    assert main(["toy", "--data", str(shapes), "--name", "mine", *QUICK]) == 0
    assert export(["mine", "--format", "onnx", "--to", str(models)]) == 0
    monkeypatch.setenv("WEIGHBRIDGE_MODELS", str(models))
    shutil.rmtree(tmp_path / "runs" / "mine")

    assert main(["toy", "--data", str(shapes), "--teacher", "mine", *QUICK]) == 0

    assert f"learns from mine@1, {models}/mine/1/model.onnx" in capsys.readouterr().out
    (path,) = (tmp_path / "runs").glob("bright-columns-toy-from-mine/*/clean/seed-0/result.json")
    result = json.loads(path.read_bytes())
    assert result["recipe"]["distillation"] == {"weight": 0.9, "temperature": 2.0}
    assert [session["teacher"]["recipe"] for session in result["sessions"]] == ["mine"]


def test_a_teacher_who_knows_other_images_is_refused_before_anything_is_trained(
    shapes: Path, toy_data: Path, short: Recipe, capsys: Out
) -> None:
    assert main(["toy", *QUICK]) == 0  # on 28 x 28 grey pixels of ten classes

    assert main(["toy", "--data", str(shapes), "--teacher", "toy", *QUICK]) == 2

    assert "--teacher toy: toy seed 0 (clean) takes images of (28, 28, 1)" in capsys.readouterr().err


def test_own_data_leaves_the_results_of_the_reports_alone(shapes: Path, short: Recipe, tmp_path: Path) -> None:
    before = {path.name for path in files.derive(tmp_path / "results")}

    assert main(["toy", "--data", str(shapes), *QUICK]) == 0

    assert {path.name for path in files.derive(tmp_path / "results")} == before


def test_the_same_images_are_held_out_whatever_the_seed(shapes: Path, recipe: Recipe) -> None:
    own = on_own_data(recipe, facts := prepare(shapes))
    one, other = (Material.load(own, own.protocol("clean"), seed=seed, device=torch.device("cpu")) for seed in (0, 1))

    assert one.held_out is not None
    assert other.held_out is not None
    assert torch.equal(one.held_out.images, other.held_out.images)
    assert (len(one.train.labels), len(one.held_out.labels)) == (facts.train, facts.validation)


def test_rounding_is_judged_on_what_the_run_held_out(shapes: Path, short: Recipe) -> None:
    from export.half import _held_out

    assert main(["toy", "--data", str(shapes), "--seed", "3", *QUICK]) == 0
    run = find_run("bright-columns-toy")
    held = Material.load(run.recipe, run.recipe.protocol("clean"), seed=3, device=torch.device("cpu")).held_out

    images, labels, where = _held_out(run)

    assert held is not None
    assert where == "held-out images"
    assert torch.equal(torch.tensor(images.transpose(0, 3, 1, 2).copy()), held.images)
    assert labels.tolist() == held.labels.tolist()


def test_a_stem_is_whitened_by_images_of_all_classes(shapes: Path) -> None:
    facts = prepare(shapes)

    assert on_own_data(RECIPES["fm-fast-small"], facts).shape["whitened"] == "spread"
    assert RECIPES["fm-fast-small"].shape["whitened"] is True  # as it was published
    assert "whitened" not in on_own_data(RECIPES["fm-fast"], facts).shape


def test_a_stem_is_whitened_by_fewer_images_where_they_are_large(
    shapes: Path, short: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    whitened = replace(short, architecture="fastnet", shape={"stem": 16, "widths": (16,), "whitened": True}, epochs=1)
    monkeypatch.setitem(RECIPES, "toy", whitened)
    monkeypatch.setattr(loop, "SAMPLE", 40)
    seen: list[tuple[int, ...]] = []
    whiten = FastNet.whiten
    monkeypatch.setattr(FastNet, "whiten",
                        lambda net, images: whiten(net, images) or seen.append(tuple(images.shape)))

    for size in ("32x32", "64x64"):
        assert main(["toy", "--data", str(shapes), "--size", size, *QUICK]) == 0

    assert {(40, 1, 32, 32), (10, 1, 64, 64)} <= set(seen)


def test_networks_that_do_not_take_the_size_are_left_out_with_the_reason(
    shapes: Path, short: Recipe, capsys: Out
) -> None:
    assert main(["cf003", "--data", str(shapes), *QUICK]) == 2
    err = capsys.readouterr().err
    assert main(["cf003", "toy", "--data", str(shapes), "--max-minutes", "0", *QUICK]) in (0, 3)

    assert "cf003 is left out: gated-cnn does not take such images" in err
    assert "what does: mlp" in err
    assert "cf003 is left out" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "size", "reason"), [
    ("cf-fast-base", (12, 12), "its stem of 32 filters is whitened, and 3x3 pixels of 1 channel allow two per n"),
    ("cf-fast-large", (12, 12), "its stem of 48 filters"),
    ("fm-fast-lean", (5, 9), "its whitened stem looks at squares of 6x6 pixels, which no side may be below"),
])
def test_images_that_a_stem_cannot_be_whitened_by_are_a_misfit_too(
    shapes: Path, name: str, size: tuple[int, int], reason: str
) -> None:
    facts = prepare(shapes, size=size)

    assert (misfit(on_own_data(RECIPES[name], facts), facts) or "").startswith(reason)
    assert misfit(on_own_data(RECIPES["fm-fast-nano"], facts), facts) is None


def test_who_takes_such_images_is_named_with_a_recipe(shapes: Path, capsys: Out) -> None:
    assert main(["cf-fast-base-distilled", "--data", str(shapes), *QUICK]) == 2

    err = capsys.readouterr().err
    assert "cf-fast-base-distilled is left out: fastnet does not take such images: its stem of 32 filters" in err
    assert re.search(r"what does: mlp \(fm000-linear\), .*fastnet \(fm-fast\)", err)


def test_every_architecture_takes_images_of_32_pixels_or_says_why_not(shapes: Path) -> None:
    facts = prepare(shapes, size=(32, 32))

    one_each = {recipe.architecture: recipe for recipe in RECIPES.values()}.values()
    assert {recipe.architecture: misfit(on_own_data(recipe, facts), facts) for recipe in one_each} == dict.fromkeys(
        (recipe.architecture for recipe in one_each), None
    )


def test_a_network_of_ones_own_is_pinned_to_its_source(
    shapes: Path, short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    source = """
from torch import nn
def build(image, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(image[0] * image[1] * image[2], classes))
"""
    (tmp_path / "own_net.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    command = ["toy", "--data", str(shapes), "--network", "own_net:build", *QUICK]

    assert main(command) == 0
    assert export(["bright-columns-build", "--format", "onnx", "--to", str(tmp_path / "models")]) == 0

    card = read_card(tmp_path / "models" / "bright-columns-build" / "1")
    assert (card.architecture, card.parameters) == (pin("own_net:build"), 144 * 3 + 3)
    pinned = pin("own_net:build")
    (tmp_path / "own_net.py").write_text(source + "# changed\n")
    with pytest.raises(ValueError, match="has changed since"):
        called(pinned)


GUARDED = """
from own_parts import Layer
from torch import nn
class Guarded(nn.Module):
    def __init__(self, numbers, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), Layer(numbers, classes))
    def forward(self, x):
        return self.layers(x / 2 if x.abs().max() > 1e4 else x)
def build(image, classes):
    return Guarded(image[0] * image[1] * image[2], classes)
"""
PARTS = "from torch import nn\nclass Layer(nn.Linear):\n    {}"


def test_networks_that_no_exporter_follows_or_that_have_changed_are_refused_and_the_next_is_exported(
    shapes: Path, short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    (tmp_path / "own_guarded.py").write_text(GUARDED)
    (tmp_path / "own_parts.py").write_text(PARTS.format("pass"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["toy", "--data", str(shapes), "--network", "own_guarded:build", *QUICK]) == 0
    assert main(["toy", "--data", str(shapes), *QUICK]) == 0
    names = ["bright-columns-build", "bright-columns-toy", "--format", "onnx", "--to", str(tmp_path / "models")]

    assert export(names) == 1
    unfollowed = capsys.readouterr().out
    monkeypatch.setattr("own_parts.Layer.__init__",
                        lambda layer, *sizes: torch.nn.Linear.__init__(layer, *sizes, bias=False))
    assert export(names) == 1
    changed = capsys.readouterr().out

    assert re.search(r"refused: .*own_guarded:build@\w+ cannot be exported as onnx: .*data-dependent", unfollowed)
    assert "published: " in unfollowed
    assert "weights do not fit own_guarded:build@" in changed
    assert "layers.1.bias" in changed


def test_a_recipe_may_be_a_file(shapes: Path, short: Recipe, tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom training.recipes import RECIPES\n"
        "RECIPE = replace(RECIPES['toy'], name='mine', epochs=1)\n"
    )

    assert main([str(tmp_path / "mine.py"), "--data", f"lines={shapes}", *QUICK]) == 0

    assert len(list((tmp_path / "runs").glob("lines-mine/*/clean/seed-0/result.json"))) == 1


def test_a_recipe_whose_name_would_be_too_long_is_left_out_and_the_others_are_trained(
    shapes: Path, short: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    other = "t" + 40 * "o" + "y"
    monkeypatch.setitem(RECIPES, other, replace(short, name=other, epochs=1))
    data = f"columns-of-which-one-is-bright={shapes}"

    assert main([other, "--data", data, *QUICK]) == 2
    err = capsys.readouterr().err
    assert main([other, "toy", "--data", data, "--max-minutes", "0", *QUICK]) in (0, 3)

    for told in (err, capsys.readouterr().out):
        assert f"{other} is left out: it would be called columns-of-which-one-is-bright-{other}, and that is 73" in told
        assert "where a name has 64 at most; say --name NAME, or give the data another: --data NAME=PATH" in told
    assert "what does" not in err
    assert [path.name for path in (tmp_path / "runs").glob("*-toy")] == ["columns-of-which-one-is-bright-toy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fm-fast", "--data", "{}", "--name", "fm-fast"], "--name fm-fast: a recipe here is called so"),
        (["fm-fast", "--data", "{}", "--name", "fm002-next-vit"], "--name fm002-next-vit: a recipe here is called so"),
        (["fm-fast", "--data", "{}", "--name", "zoo"], "--name zoo: a command is called so"),
        (["fm-fast", "--data", "{}", "--name", "x" * 65], "that is 65 characters, where a name has 64 at most"),
        (["fm-fast", "--data", "{}", "--name", "Mine"], "recipe 'Mine': a name is lower-case letters, digits"),
        (["fm-fast", "--size", "12x12"], "--size goes with --data"),
        (["fm-fast", "--network", "a:b"], "--network goes with --data"),
        (["fm-fast", "--teacher", "mine"], "--teacher goes with --data"),
        (["fm-fast", "--data", "{}", "--teacher", "nobody"], "--teacher nobody: there is no such model under arti"),
        (["--data", "{}"], "which recipe shall be trained on it"),
        (["fm-fast", "--data", "{}", "--network", "nothing"], "say module:function"),
        (["fm-fast", "--data", "{}", "--network", "no_such_module_here:build"], "Python finds no module"),
        (["fm-fast", "--data", "{}", "--protocol", "report"], "it has the protocol clean only"),
        (["fm-fast", "cf-fast", "--data", "{}", "--name", "one"], "there are 2 recipes; name one"),
        (["fm-fast", "--data", "{}", "--size", "2x2"], "sides are from 4 to 1024"),
        (["gone.py", "--data", "{}"], "there is no file gone.py"),
    ],
)
def test_a_wrong_question_is_answered_with_the_cure(
    shapes: Path, arguments: list[str], message: str, capsys: Out
) -> None:
    assert main([each.format(shapes) for each in arguments]) == 2

    assert message in capsys.readouterr().err
