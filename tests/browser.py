"""Pages in a real browser: what they show, what they ask for, and what goes wrong in them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@dataclass
class Look:
    """An opened page; `errors` and `requested` fill while it is looked at."""

    view: Any
    errors: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def too_wide(self) -> int:
        """Pixels that have to be scrolled for sideways."""
        return self.view.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")

    def bottom(self, selector: str) -> float:
        """Where the first match ends, in pixels from the top of the page."""
        box = self.view.locator(selector).first.bounding_box()
        return box["y"] + box["height"]

    def is_light(self, selector: str, style: str) -> bool:
        """Whether a colour is a light one."""
        colour = self.view.evaluate(
            "([selector, style]) => getComputedStyle(document.querySelector(selector))[style]", [selector, style])
        return sum(map(int, re.findall(r"\d+", colour)[:3])) > 3 * 128


@contextmanager
def looking(page: Path, *, scheme: str = "light", viewport: dict[str, int] = DESK) -> Iterator[Look]:
    """Open a file in Chromium for the length of a `with` block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        look = Look(browser.new_page(viewport=viewport, color_scheme=scheme))
        look.view.on("request", lambda request: look.requested.append(request.url))
        look.view.on("pageerror", lambda error: look.errors.append(str(error)))
        look.view.on("console", lambda told: look.errors.append(told.text) if told.type == "error" else None)
        look.view.goto(page.as_uri())
        yield look
        browser.close()
