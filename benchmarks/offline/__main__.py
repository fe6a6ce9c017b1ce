"""Scores a model on a labelled Parquet data set that may be larger than memory.

    python -m benchmarks.offline data.parquet --model fm-fast
    python -m benchmarks.offline data/ 'more/*.parquet' --model fm-fast --output result.html
    python -m benchmarks.offline s3://bucket/data/ --model fm-fast --engine ray

The data has a column `image` of encoded files and a column `label` of names or numbers, as the Hugging Face hub has
it. The document is that of /evaluate: JSON on the standard output, or a file that ends in .json, .csv or .html. It is
the same, but for the times in it, with every engine and any number of nodes. What is done is kept: after an
interruption the same command goes on. Exit codes: 0 done, 1 it cannot be done, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.machine.children import ROOT
from benchmarks.offline.dataset import OfflineError, open_dataset
from benchmarks.offline.engines import ENGINES
from benchmarks.offline.journal import Journal
from benchmarks.offline.result import Merged
from benchmarks.offline.scorer import Job, Scorer
from service.card import write_atomically
from service.runtimes import RUNTIMES
from service.scorecard import TYPES, Kind, to_csv, to_html, to_json
from service.settings import BUNDLED_MODELS, SettingError, Settings
from service.wire import EvaluateAnswer

JOURNALS = ROOT / "benchmarks" / "runs" / "offline"
SAY_EVERY = 0.1  # of all images, where there is no terminal to draw on
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Do it; returns the exit code."""
    options = _parser().parse_args(arguments)
    options.root = options.root or [BUNDLED_MODELS]
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        answer, journal = evaluate(options, console)
        text = {"json": to_json, "csv": to_csv, "html": to_html}[_kind(options.output)](answer)
        if options.output is None:
            print(text)
        else:
            write_atomically(options.output, text.encode())
    except (OfflineError, SettingError, OSError) as error:
        console.print(f"[bold red]error:[/] {error}")
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; what is done is kept, the same command goes on from there")
        return INTERRUPTED
    journal.close()  # only now: until the result is written, what was scored is all there is
    return 0


def evaluate(options: argparse.Namespace, console: Console) -> tuple[EvaluateAnswer, Journal]:
    """Score every unit that is not done yet, and put all together; and where what was scored is kept."""
    dataset = open_dataset(options.data)
    settings = replace(Settings.read(), models=tuple(options.root))
    job = Job(options.model, options.runtime or settings.runtime, options.batch_size, settings.environ())
    scorer = Scorer(job)
    card = scorer.opened.card
    folder = next(root / card.name / str(card.version) for root in options.root
                  if (root / card.name / str(card.version)).is_dir())
    journal, merged = Journal(JOURNALS, dataset, job, scorer.opened), Merged(dataset)
    for scored in journal.read():
        merged.add(scored)
    console.print(f"{card.id}, {job.runtime}, on {dataset.count:,} images in {len(dataset.units):,} row groups"
                  + (f"; {merged.images:,} images were done before" if merged.done else ""))
    left = [unit for unit in dataset.units if unit.number not in merged.done]
    began, before = time.monotonic(), merged.images
    with _Watch(console, dataset.count) as watch:
        watch.tell(merged.images)
        if left:
            for scored in ENGINES[options.engine](left, job, folder):
                if merged.add(scored):
                    journal.add(scored)
                    watch.tell(merged.images)
    answer = merged.answer(scorer, options.batch_size)
    rate = (merged.images - before) / (time.monotonic() - began)
    console.print(f"accuracy {answer.accuracy:.2%} [{answer.interval.low:.2%}, {answer.interval.high:.2%}], log loss "
                  f"{answer.log_loss:.4f}, calibration error {answer.ece:.4f}; {rate:,.0f} images/s in all")
    return answer, journal


class _Watch:
    """A bar on a terminal, elsewhere a line now and then."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total, self._next = console, total, SAY_EVERY
        self._progress = Progress(
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} images"), BarColumn(bar_width=40),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("", total=total)

    def __enter__(self) -> _Watch:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, images: int) -> None:
        """So many are done."""
        self._progress.update(self._bar, completed=images)
        if not self._console.is_terminal and images and images >= min(self._next, 1) * self._total:
            self._console.print(f"{images:,} of {self._total:,} images")
            self._next = images / self._total + SAY_EVERY


def _kind(output: Path | None) -> Kind:
    return "json" if output is None else output.suffix[1:]  # type: ignore[return-value]  # the parser has checked it


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.offline", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="DATA", help="Parquet files, folders of them, patterns or URIs")
    parser.add_argument("--model", required=True, help="name, or name@version")
    parser.add_argument("--root", type=Path, action="append", help="a model root; default: the bundled models")
    parser.add_argument("--runtime", choices=RUNTIMES, help="default: as WEIGHBRIDGE_RUNTIME says")
    parser.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="images per call (default: 32)")
    parser.add_argument("--engine", choices=ENGINES, default="local", help="this machine's cores (default), or a Ray "
                        "cluster ($RAY_ADDRESS): docs/scale-out.md")
    parser.add_argument("--output", type=_output, metavar="FILE", help="ends in .json, .csv or .html")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a positive number")
    return number


def _output(text: str) -> Path:
    if Path(text).suffix[1:] not in TYPES.values():
        raise argparse.ArgumentTypeError(f"{text} ends in none of .json, .csv, .html")
    if not Path(text).parent.is_dir():
        raise argparse.ArgumentTypeError(f"{Path(text).parent} is no folder; make it first")
    if Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder; name a file")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
