"""Pictures of the page at / for the documents. Needs playwright and an installed Chromium.

    python -m benchmarks.tour              serves models/ for as long as it takes
    python -m benchmarks.tour --models ROOT --output FOLDER

They are WebP files docs/pictures/page-*.webp. What they show is computed while they are taken; the figures in them are
those of that moment and measure nothing.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.machine.children import ROOT, leaving_nothing
from benchmarks.machine.server import ServerError, serving
from benchmarks.readme import DRAWN
from benchmarks.screenshots import BROWSERS

MOST_BYTES = 100_000  # of each: they are committed
QUALITY = 72
DESK, PHONE = (1180, 860), (390, 844)
SAMPLE = 4            # of those that are shown first
LOAD_MS = 9000        # how long a load is looked at
PATIENCE_MS = 300_000


@dataclass(frozen=True)
class View:
    """A picture: which part, how to get there, and on which screen."""

    part: str
    steps: Callable[[Any], None]
    scheme: str = "light"
    size: tuple[int, int] = DESK


def _try(page: Any) -> None:
    page.locator("#samples button:not([disabled])").nth(SAMPLE).click()
    page.locator("#stages:not([hidden])").wait_for()
    for _ in range(2):
        page.locator("#weighed button.look").first.click()
        page.locator("#weighed button.look:disabled").wait_for(state="detached")


def _leaderboard(page: Any) -> None:
    page.locator("#pareto canvas").wait_for()


def _evaluate(page: Any) -> None:
    page.locator("#ask-data option").nth(1).wait_for(state="attached")
    page.locator("#ask-compare").select_option(index=1)
    page.fill("#ask-limit", "2000")
    page.click("#ask-go")
    page.locator(".confusion .miss").first.click()
    page.locator(".cell img").first.wait_for()
    page.locator(".result").first.scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.querySelector('.result').getBoundingClientRect().top + scrollY - 80)")


def _live(page: Any) -> None:
    page.locator("#load-model option").first.wait_for(state="attached")
    page.locator("#load-rate").fill("100")
    page.click("#load-go")
    page.wait_for_timeout(LOAD_MS)


VIEWS = {
    "try": View("try", _try),
    "leaderboard": View("leaderboard", _leaderboard),
    "evaluate": View("evaluate", _evaluate, "dark"),
    "live": View("live", _live),
    "phone": View("try", _try, "dark", PHONE),
}


def take(url: str, folder: Path) -> list[Path]:
    """Take every view of a running service; RuntimeError where no browser is there, or a picture is too large."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with _chromium() as browser:
        for name, view in VIEWS.items():
            width, height = view.size
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=view.scheme)
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"{url}/#{view.part}")
            view.steps(page)
            path = folder / f"page-{name}.webp"
            Image.open(io.BytesIO(page.screenshot())).save(path, quality=QUALITY)
            page.close()
            if (size := path.stat().st_size) > MOST_BYTES:
                raise RuntimeError(f"{path} has {size:,} bytes, more than {MOST_BYTES:,}")
            taken.append(path)
    return taken


@contextmanager
def _chromium() -> Iterator[Any]:
    chromium = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if chromium is None:
        raise RuntimeError(f"none of {', '.join(BROWSERS)} is installed; apt install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RuntimeError("playwright is not installed; `make setup` installs everything") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def main(arguments: list[str] | None = None) -> int:
    """Take them; 1 with the reason where that fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tour", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="a model root (default: models/)")
    parser.add_argument("--output", type=Path, default=DRAWN, help="folder (default: docs/pictures)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with serving(root=options.models, log=Path(folder) / "server.log") as server:
                taken = take(server.url, options.output)
        except (RuntimeError, ServerError) as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
    for path in taken:
        sys.stdout.write(f"{path} ({path.stat().st_size:,} bytes)\n")
    return 0


if __name__ == "__main__":
    sys.exit(leaving_nothing(main))
