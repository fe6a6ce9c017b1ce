"""Every command of export takes what means something to it, and says so about the rest."""

from __future__ import annotations

import pytest

from export.__main__ import COMMANDS, main
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


def test_no_recipe_is_named_like_a_command() -> None:
    assert not {*COMMANDS, "import"} & set(EVERY_RECIPE)
