from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from benchmarks.comparison.contenders import find_contenders
from benchmarks.comparison.result import derive
from benchmarks.comparison.run import Run, open_run
from benchmarks.comparison.settings import Settings
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.report.markup import Markup, el, table
from benchmarks.report.page import page, write_report

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def result(weighed: tuple[Run, list[str], list[str]]) -> dict[str, Any]:
    """The toys' result, with a part measured alone."""
    part = {"name": "decode png", "group": "decode", "control": "control zlib", "rounds": 9, "ratio": 2.5,
            "p50_us": 30.0, "p90_us": 31.0, "p99_us": 40.0}
    return derive(weighed[0]) | {"micro": [part]}


@pytest.fixture(scope="module")
def report(result: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("report") / "report.html", result)


def test_the_page_refers_to_nothing_outside_itself(report: Path) -> None:
    html = report.read_text()
    outside_of_scripts = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)

    assert not re.findall(r"""(?:src|href)\s*=|url\(|@import|https?://""", outside_of_scripts)
    assert "default-src 'none'" in unescape(html)
    assert not re.findall(r"<script[^>]+src", html)


def test_the_answer_comes_before_the_evidence(result: dict[str, Any], report: Path) -> None:
    html = report.read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", html)

    assert titles == ["Accuracy against p99 response time", "Side by side", "Latency by load, ms",
                      "Accuracy under load", "Where the time goes", "Parts alone", "Validity", "Machine", "Reproduce"]
    assert html.index("2 models compared") < html.index("Most accurate") < html.index("<h2>")
    assert result["machine"]["cpu"] in html


def test_the_result_can_be_read_back_from_the_page(result: dict[str, Any], report: Path) -> None:
    stored = re.search(r'<script type="application/json" id="result">(.*?)</script>', report.read_text(), re.DOTALL)

    assert [entry["id"] for entry in json.loads(stored[1])["models"]] == [entry["id"] for entry in result["models"]]


def test_hostile_names_stay_text(result: dict[str, Any]) -> None:
    html = page(result | {"command": "</script><script>alert(1)</script>"})

    assert "<script>alert(1)" not in html


def test_values_are_escaped_and_markup_is_not() -> None:
    assert el("p", "a < b", Markup("<b>c</b>"), None, class_="x", id=None) == '<p class="x">a &lt; b<b>c</b></p>'
    assert el("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert '<td class="number">1</td>' in table(["name", "n"], [["<x>", 1]])


def test_a_run_interrupted_before_its_first_load_is_still_a_page(toys: Path, tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", Settings(), find_contenders(toys / "models"), machine=fingerprint(), cores="",
                   command="python -m benchmarks", created="2026-01-01T00:00:00Z")

    html = page(derive(run))

    assert "Nothing was measured." in html
    assert "not measured: a@1, b@1" in html


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_page_without_errors_requests_or_sideways_scrolling(report: Path, scheme: str) -> None:
    from playwright.sync_api import sync_playwright

    requested: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = browser.new_page(viewport=DESK, color_scheme=scheme)
        view.on("request", lambda request: requested.append(request.url))
        view.on("pageerror", lambda error: errors.append(str(error)))
        view.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        view.goto(report.as_uri())
        drawn = view.locator(".js-plotly-plot .main-svg").count()
        background, text = view.evaluate(
            "() => [getComputedStyle(document.body).backgroundColor, "
            "getComputedStyle(document.querySelector('.js-plotly-plot text')).fill]"
        )
        view.set_viewport_size(PHONE)
        view.wait_for_timeout(300)
        too_wide = view.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
        browser.close()

    assert errors == []
    assert requested == [report.as_uri()]
    assert drawn > 0
    assert too_wide <= 0
    assert (_light(background), _light(text)) == ((True, False) if scheme == "light" else (False, True))


def _light(colour: str) -> bool:
    return sum(map(int, re.findall(r"\d+", colour)[:3])) > 3 * 128
