"""Pictures of a published decision's page, for the documents. Needs playwright and an installed Chromium.

    python -m benchmarks.screenshots                        of the newest in benchmarks/results/decisions/
    python -m benchmarks.screenshots --result FILE.json     of another one

They are WebP files in docs/pictures/: a screen in light and in dark, and a phone. `make readme` puts them into docs.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.decision.page import write_page
from benchmarks.decision.publish import PUBLISHED
from benchmarks.decision.told import decisions
from benchmarks.readme import DRAWN

SCREENS = {"light": ("light", 1180, 860), "dark": ("dark", 1180, 860), "phone": ("light", 390, 844)}
MOST_BYTES = 200_000   # of all together: they are committed
QUALITY = 72
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def take(page: Path, folder: Path) -> list[Path]:
    """Take every screen of a page; RuntimeError where no browser is there, or the files are too large to commit."""
    chromium = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if chromium is None:
        raise RuntimeError(f"none of {', '.join(BROWSERS)} is installed; apt install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RuntimeError("playwright is not installed; `make setup` installs everything") from None
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (scheme, width, height) in SCREENS.items():
            view = browser.new_page(viewport={"width": width, "height": height},
                                    color_scheme=scheme)  # type: ignore[arg-type]  # light or dark
            view.goto(page.as_uri())
            picture = Image.open(io.BytesIO(view.screenshot()))
            path = folder / f"weigh-{name}.webp"
            picture.save(path, quality=QUALITY)
            taken.append(path)
        browser.close()
    if (size := sum(path.stat().st_size for path in taken)) > MOST_BYTES:
        raise RuntimeError(f"the pictures have {size:,} bytes together, more than {MOST_BYTES:,}")
    return taken


def main(arguments: list[str] | None = None) -> int:
    """Take them; 1 with the reason where that fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screenshots", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    newest = next((PUBLISHED / f"{name}.json" for name in decisions()), None)
    parser.add_argument("--result", type=Path, default=newest, help="a decision.json (default: the newest published)")
    parser.add_argument("--output", type=Path, default=DRAWN, help="folder (default: docs/pictures)")
    options = parser.parse_args(arguments)
    if options.result is None:
        sys.stderr.write(f"error: no decision is published in {PUBLISHED}; python -m benchmarks weigh … --publish\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        page = write_page(Path(folder) / "decision.html", json.loads(options.result.read_bytes()))
        try:
            taken = take(page, options.output)
        except RuntimeError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
    for path in taken:
        sys.stdout.write(f"{path} ({path.stat().st_size:,} bytes)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
