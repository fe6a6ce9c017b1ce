"""Ask a running server from a shell:

    python -m service predict shoe.png 'photos/*.jpg'      files and globs
    cat shoe.png | python -m service predict               one image from standard input
    find . -name '*.png' | python -m service predict --list -
    python -m service evaluate --split fashion-mnist-test --compare fm000-tinyvgg
    python -m service evaluate labelled.zip --format html --output report.html
    python -m service models

Tables for people; with --json one JSON document per image (predict) or one in all, for programs. The server is --url or
WEIGHBRIDGE_URL, the API key is WEIGHBRIDGE_API_KEY: an option would show it to everybody who lists processes.

    exit 0   everything was answered
    exit 1   the server refused, or an image could not be used; the others were answered
    exit 2   the command line is wrong, a file is missing
    exit 3   the server cannot be reached
    exit 4   the server had too much to do, and still after trying again
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from service.client.calls import Kind, Outcome, Resize
from service.client.errors import ClientError, ServiceError, UnreachableError
from service.client.patience import Retries
from service.client.synchronous import Client
from service.settings import Address
from service.wire import EvaluateAnswer, FailedItem, Job, ModelList

DONE, REFUSED, WRONG, UNREACHABLE, OVERLOADED = range(5)
STDIN = "-"
# What says how a new evaluation is to be.
NEW_JOB = ("data", "model", "runtime", "compare", "detach", "split", "limit", "batch_size")


class WrongCommandError(ValueError):
    """What the caller wrote cannot be done; the message says what and why."""


def main(arguments: Sequence[str]) -> int:
    """Run predict, evaluate or models; the exit code."""
    options = parser().parse_args(arguments)
    address = Address.read()
    complain = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with Client(
            options.url or address.url, api_key=address.api_key, retries=Retries(deadline_s=options.deadline or 60.0)
        ) as client:
            found: int = options.run(client, options, Console(highlight=False))
            return found
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (WrongCommandError, OSError, ValueError) as error:
        complain.print(f"error: {error}", style="red", markup=False)
        return WRONG
    except UnreachableError as error:
        complain.print(f"error: {error}", style="red", markup=False)
        return UNREACHABLE
    except ClientError as error:
        complain.print(f"error: {error}", style="red", markup=False)
        busy = (isinstance(error, ServiceError) and error.status == HTTPStatus.SERVICE_UNAVAILABLE
                and (error.retry_after_s is not None or not error.type.endswith(":not-ready")))
        return OVERLOADED if busy else REFUSED


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m service", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = result.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--url", help="of the server; default: WEIGHBRIDGE_URL, else http://localhost:3000")
    shared.add_argument("--deadline", type=_seconds, metavar="S", help="for each request, default: 60 seconds; for an "
                        "evaluation as a whole, default: as long as it takes")
    shared.add_argument("--json", action="store_true", help="JSON instead of tables")
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument("--model", help="name, or name@version; default: the server's")
    chosen.add_argument("--runtime", help="default: the server's")

    one = commands.add_parser("predict", parents=[shared, chosen], help="classify image files")
    one.add_argument("files", nargs="*", metavar="FILE", help="a file, a glob, or - for standard input")
    one.add_argument("--list", metavar="FILE", help="read names from this file (- for standard input), one a line")
    one.add_argument("--top-k", type=int, metavar="K", help="labels per image in --json; default: 5")
    one.add_argument("--resize", choices=get_args(Resize), help="default: as the server")
    one.set_defaults(run=predict)

    two = commands.add_parser("evaluate", parents=[shared, chosen], help="score a model on labelled images")
    two.add_argument(
        "data", nargs="*", metavar="FILE",
        help=".npz, zip of class folders, Parquet, two IDX files, or a CSV file and a zip",
    )
    two.add_argument("--compare", metavar="MODEL", help="a second model, scored on the same images")
    two.add_argument("--detach", action="store_true", help="submit a job, print its id, and do not wait")
    two.add_argument("--job", metavar="ID", help="wait for this job and show its result, instead of starting one")
    two.add_argument("--format", choices=("json", "csv", "html"), help="a document instead of tables; json is --json")
    two.add_argument("--output", type=Path, metavar="FILE", help="write the document here")
    two.add_argument("--split", help="a labelled split of the server; default: the only one that fits the model")
    two.add_argument("--limit", type=int, metavar="N", help="only the first N images")
    two.add_argument("--batch-size", type=int, metavar="N", help="images per call of the runtime")
    two.set_defaults(run=evaluate)

    three = commands.add_parser("models", parents=[shared], help="list the models")
    three.set_defaults(run=models)
    return result


def predict(client: Client, options: argparse.Namespace, out: Console) -> int:
    """Classify every file. A line of JSON appears as soon as its request is answered, the table at the end."""
    names = list(_names(options))
    failed = 0
    table = Table("image", "label", "probability", box=None, pad_edge=False)
    outcomes = client.stream(
        map(_read, names), model=options.model, runtime=options.runtime, top_k=options.top_k, resize=options.resize
    )
    for name, outcome in zip(names, outcomes, strict=True):
        failed += isinstance(outcome, FailedItem)
        if options.json:
            _write({"file": name, **outcome.model_dump(mode="json", exclude_none=True)})
        else:
            _row(table, name, outcome)
    if not options.json:
        out.print(table)
    return REFUSED if failed else DONE


def evaluate(client: Client, options: argparse.Namespace, out: Console) -> int:
    """Score a model on a split or on files; one of many images shows how far it is."""
    if options.output and not options.output.absolute().parent.is_dir():
        raise WrongCommandError(f"--output {options.output}: there is no folder {options.output.parent}")
    if options.job and (ignored := [name for name in NEW_JOB if getattr(options, name)]):
        raise WrongCommandError(f"--job {options.job} waits for a job that was submitted before: leave "
                                f"{', '.join(map(_option, ignored))} out, or --job")
    kind: Kind | None = options.format or ("json" if options.json or options.output else None)
    asked = {
        "data": options.data or None, "model": options.model, "runtime": options.runtime, "limit": options.limit,
        "compare": options.compare, "batch_size": options.batch_size,
    }
    if options.detach:
        job = client.submit(options.split, **asked)
        if options.json:
            _write(job.model_dump(mode="json", exclude_none=True))
        else:
            out.print(job.id)
        return DONE
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("queued", total=1.0, visible=False)

        def tell(job: Job) -> None:
            bar.update(task, description=job.state, completed=job.progress, visible=True)

        found = _evaluated(client, options, kind, asked, tell)
    if isinstance(found, str):
        text = found
    elif kind is None:
        show_scores(found, out)
        return DONE
    else:
        text = found.model_dump_json(exclude_none=True) + "\n"
    if options.output:
        options.output.write_text(text)
    else:
        sys.stdout.write(text)
    return DONE


def _evaluated(
    client: Client, options: argparse.Namespace, kind: Kind | None, asked: dict[str, Any], tell: Callable[[Job], None]
) -> EvaluateAnswer | str:
    if kind == "csv" or kind == "html":
        if options.job:
            client.wait(options.job, timeout_s=options.deadline, tell=tell)
            return client.result_document(kind, options.job)
        return client.document(kind, options.split, **asked, timeout_s=options.deadline, tell=tell)
    if options.job:
        return client.wait(options.job, timeout_s=options.deadline, tell=tell)
    return client.evaluate(options.split, **asked, timeout_s=options.deadline, tell=tell)


def models(client: Client, options: argparse.Namespace, out: Console) -> int:
    """List the models; those that are not ready say why."""
    found = client.models()
    if options.json:
        _write(found.model_dump(mode="json", exclude_none=True))
    else:
        out.print(_models(found))
    return DONE


def show_scores(answer: EvaluateAnswer, out: Console) -> None:
    """An evaluation as two short tables."""
    low, high = answer.interval.low, answer.interval.high
    head = Table(show_header=False, box=None, pad_edge=False)
    head.add_row("model", f"{answer.model}@{answer.version}, {answer.runtime} on {answer.device}")
    head.add_row("images", f"{answer.count:,} of {answer.split.name}")
    head.add_row("accuracy", f"{answer.accuracy:.2%} [{low:.2%}, {high:.2%}]", style="bold")
    if answer.comparison:
        found = answer.comparison
        head.add_row(
            f"minus {found.other.model}@{found.other.version}",
            f"{found.difference:+.2%} [{found.low:+.2%}, {found.high:+.2%}], p = {found.p_value:.3g}",
        )
    head.add_row("macro F1", f"{answer.macro.f1:.4f}")
    head.add_row("log loss", f"{answer.log_loss:.4f}")
    head.add_row("calibration", f"{answer.ece:.4f} (expected error)")
    head.add_row("latency", f"{answer.latency.batch_ms.p50:.2f} ms per {answer.latency.batch_size} images (median)")
    head.add_row("throughput", f"{answer.throughput:,.0f} images/s in the runtime")
    out.print(head)
    table = Table("class", "precision", "recall", "F1", "images", box=None, pad_edge=False)
    for each in answer.classes:
        table.add_row(each.label, f"{each.precision:.4f}", f"{each.recall:.4f}", f"{each.f1:.4f}", f"{each.support:,}")
    out.print()
    out.print(table)


def _option(name: str) -> str:
    return "the files" if name == "data" else f"--{name.replace('_', '-')}"


def _names(options: argparse.Namespace) -> Iterator[str]:
    """Every file that was meant. A name that exists is itself, even when it looks like a glob."""
    given = list(options.files)
    if options.list:
        text = sys.stdin.read() if options.list == STDIN else Path(options.list).read_text()
        given += [line for line in text.splitlines() if line]
    if not given:
        if sys.stdin.isatty():
            raise WrongCommandError("which image? Give files or globs, or pipe one in")
        given = [STDIN]
    if given.count(STDIN) > 1 or (STDIN in given and options.list == STDIN):
        raise WrongCommandError("standard input can be read once")
    for name in given:
        if name == STDIN or Path(name).exists():
            yield name
            continue
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - takes absolute patterns too
        if not found:
            raise WrongCommandError(f"{name}: there is no such file, and no file matches it")
        yield from found


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()


def _row(table: Table, name: str, outcome: Outcome) -> None:
    if isinstance(outcome, FailedItem):
        table.add_row(escape(name), f"[red]{escape(outcome.error.detail)}[/]", "")
    else:
        table.add_row(escape(name), escape(outcome.label), f"{outcome.probability:.2%}")


def _models(found: ModelList) -> Table:
    table = Table("model", "input", "classes", "parameters", "accuracy", "state", box=None, pad_edge=False)
    for each in found.models:
        name, card = f"{each.name}@{each.version}", each.card
        table.add_row(
            f"[bold]{name}[/] (default)" if each.default else name,
            " x ".join(map(str, card.input.shape)) if card else "",
            str(len(card.classes)) if card else "",
            f"{card.parameters:,}" if card else "",
            f"{card.score.accuracy:.2%}" if card and card.score else "",
            "ready" if each.ready else f"[red]{escape(each.reason or 'not ready')}[/]",
        )
    return table


def _seconds(text: str) -> float:
    found = float(text)
    if not 0 < found <= 86400:
        raise ValueError
    return found


def _write(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()
