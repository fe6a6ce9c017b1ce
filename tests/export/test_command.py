"""Every command of export takes what means something to it, and says so about the rest."""

from __future__ import annotations

import pytest

from export.__main__ import COMMANDS, main
from service.runtimes import RuntimeUnavailable
from training.own.command import COMMANDS as TAKEN
from training.recipes import EVERY_RECIPE


@pytest.mark.parametrize("arguments", [
    ["zoo", "--half"], ["zoo", "--seed", "1"], ["bundle", "fm-fast", "--to", "elsewhere"], ["fm-fast", "--publish"],
    ["quantize", "fm-fast", "--seed", "3"], ["fm-fast", "--jobs", "2"], ["bundle"],
])
def test_an_option_that_would_be_ignored_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_a_split_is_not_exported_together_with_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--split", "fashion-mnist", "test", "fm-fast"]) == 2

    assert "leave fm-fast out" in capsys.readouterr().out


@pytest.mark.parametrize(("error", "code", "says"), [
    (PermissionError("no room under /models[a]"), 2, "no room under /models[a]"), (KeyboardInterrupt(), 130, "interr"),
    (RuntimeUnavailable("install onnxruntime"), 1, "refused: install onnxruntime"),
])
def test_an_import_that_cannot_be_written_or_is_interrupted_ends_in_a_line(
    error: BaseException, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def understand(_: object) -> None:
        raise error

    monkeypatch.setattr("export.importing.foreign.understand", understand)

    assert main(["import", "model.onnx"]) == code

    assert says in capsys.readouterr().out


def test_a_model_that_cannot_be_exported_does_not_keep_the_next_from_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str, _: object) -> None:
        raise RuntimeUnavailable(f"[{name}] needs onnxruntime")

    monkeypatch.setattr("export.__main__._run", run)

    assert main(["fm-fast", "cf-fast"]) == 1

    out = capsys.readouterr().out
    assert "refused: [fm-fast] needs onnxruntime" in out
    assert "not exported: fm-fast, cf-fast" in out


def test_no_recipe_is_named_like_a_command() -> None:
    assert not {*COMMANDS, "import"} & set(EVERY_RECIPE)


def test_nothing_of_ones_own_may_be_named_like_a_command() -> None:
    assert {*COMMANDS, "import"} < set(TAKEN)
