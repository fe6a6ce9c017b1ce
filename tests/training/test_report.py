"""The training report says what was found, draws it in a real browser, and needs no network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sklearn.metrics

from training.__main__ import main
from training.recipes import RECIPES
from training.report import write_report
from training.report.classes import per_class
from training.report.page import page
from training.results import write_all

Store = Callable[..., Path]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
TWO_SEEDS = (0.8843, 0.8850)


@pytest.fixture
def root(store: Store, tmp_path: Path) -> Path:
    """Runs of a dense network under both protocols, of every share of the data, and of one activation."""
    runs = tmp_path / "runs"
    for seed, figure in enumerate(TWO_SEEDS):
        store(runs, RECIPES["fm002-ann"], seed, figure)
    store(runs, RECIPES["fm002-ann"], 0, 0.88, protocol="clean")
    for number, name in enumerate(name for name in RECIPES if name.startswith("fm004-frac-")):
        store(runs, RECIPES[name], 0, 0.85 + number / 100)
    for name in ("cf004-relu-1", "cf004-relu-2", "cf004-relu-3"):
        store(runs, replace(RECIPES[name], dataset="cifar10-jpeg"), 0, 0.49)
    return runs


@pytest.fixture
def results(root: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    write_all(folder, root=root)
    return folder


def test_precision_recall_and_f1_are_those_of_scikit_learn() -> None:
    confusion = [[50, 3, 2], [5, 40, 0], [1, 0, 9]]
    true = [row for row, counts in enumerate(confusion) for count in counts for _ in range(count)]
    answered = [column for counts in confusion for column, count in enumerate(counts) for _ in range(count)]

    expected = sklearn.metrics.precision_recall_fscore_support(true, answered)

    assert [tuple(score) for score in per_class(confusion)] == [
        pytest.approx(values) for values in zip(*expected, strict=True)
    ]


def test_a_class_that_was_never_answered_has_no_precision() -> None:
    never = per_class([[5, 0], [5, 0]])[1]

    assert (str(never.precision), never.recall, never.f1) == ("nan", 0, 0)


def test_the_page_holds_the_table_the_verdict_and_what_each_recipe_needs(results: Path, tmp_path: Path) -> None:
    text = write_report(tmp_path / "report.html", results, root=tmp_path / "none").read_text()
    body = text[text.index("<body>"):]

    assert "Of the reports&#x27; 24 networks: " in body
    assert "88.47" in body
    assert body.count("<details") == 9
    assert "reported 49.30" in body  # activation by depth
    assert "not run" in body
    for caption in ("accuracy per epoch, all 2 seeds", "loss per epoch, seed 0",
                    "by share: the report&#x27;s protocol on held-out images",
                    "test images, all 2 seeds: rows true, columns answered", "Classes on the test images"):
        assert caption in body


def test_a_page_of_nothing_says_so() -> None:
    assert "24 not run" in page([])


def test_nothing_in_the_page_points_outside(results: Path, tmp_path: Path) -> None:
    text = write_report(tmp_path / "report.html", results, root=tmp_path / "none").read_text()

    assert text.count("Plotly.register") <= 1
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", text)
    assert "default-src 'none'" in text


def test_the_command_writes_finished_runs_that_no_result_file_has_yet(
    data_root: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--output", str(tmp_path / "out.html")]) == 0

    assert str(tmp_path / "out.html") in capsys.readouterr().out
    assert "fm002-ann" in (tmp_path / "out.html").read_text()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_a_browser_draws_every_figure_without_asking_the_network(
    results: Path, tmp_path: Path, scheme: Any, width: int
) -> None:
    from playwright.sync_api import sync_playwright

    path = write_report(tmp_path / "report.html", results, root=tmp_path / "none")
    asked: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: errors.append(message.text))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(f"{path.as_uri()}#fm002-ann")
        for details in tab.locator("details").all():
            details.evaluate("details => { details.open = true }")
        tab.evaluate("Object.keys(figures).forEach(id => draw(document.getElementById(id)))")
        drawn, figures = tab.evaluate("[document.querySelectorAll('.main-svg').length, Object.keys(figures).length]")
        wide = tab.evaluate("document.documentElement.scrollWidth")
        paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        browser.close()

    assert (errors, [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]) == ([], [])
    assert drawn >= figures > 40
    assert wide == width
    assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 28)")
