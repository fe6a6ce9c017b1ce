"""The page for people, in a real browser: it lists the models, weighs an image on each, and asks nobody else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from process import Process

from service.openapi import document
from service.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")]


@pytest.fixture
def page() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_an_image_is_weighed_on_every_ready_model_and_nothing_comes_from_elsewhere(server: Process, page: Any) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(f"{server.url}/")
    page.locator("#samples button").first.click()
    page.locator("#weighed article", has_text="wide@1").wait_for()

    assert page.locator("#weighed h3").all_inner_texts() == ["toy@1", "toy@2", "wide@1"]
    assert "total" in page.locator("#weighed article").first.inner_text()
    assert "model.onnx has 11 bytes" in page.locator("#models").inner_text()
    assert all(url.startswith((server.url, f"blob:{server.url}")) for url in asked)
    assert complaints == []


def test_the_docs_page_shows_every_operation(server: Process, page: Any) -> None:
    page.goto(f"{server.url}/docs")
    page.locator("#schemas details").first.wait_for()

    shown = page.locator("#operations summary").all_inner_texts()
    assert [line for line in shown if "/predict" in line] == ["POST/predict Classify one or many images"]
    assert len(shown) == sum(map(len, document(Settings())["paths"].values()))
