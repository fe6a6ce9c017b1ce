"""`capacity`: what does the server that already runs at an address bear within an objective?"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.commands.shared import add_dispersion, command, folder, measured, new_folder, positive, seed, slo
from benchmarks.comparison.contenders import MODELS
from benchmarks.elsewhere import catalogue, metadata
from benchmarks.elsewhere.address import is_here
from benchmarks.elsewhere.folder import open_folder
from benchmarks.elsewhere.measure import measure
from benchmarks.elsewhere.publish import finish
from benchmarks.elsewhere.question import Question
from benchmarks.elsewhere.served import Served
from benchmarks.load.payloads import ENCODERS
from benchmarks.machine.cores import share_out
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.machine.server import Elsewhere, ServerError
from service.settings import Address

FINDERS: dict[str, Callable[[Elsewhere, Question], Served]] = {"weighbridge": catalogue.find, "oip": metadata.find}


def add_to(commands: Any) -> None:
    """Its options."""
    add = commands.add_parser(
        "capacity", help="what does the server that runs at an address bear within an objective?",
        description="Nothing is started but the load: the server is somebody's, and may be anywhere. An API key is "
                    "read from WEIGHBRIDGE_API_KEY, and stored nowhere.",
        epilog="exit code: 0 it bears --rate (without --rate: a bracket was found), 3 it does not, 4 INVALID, or the "
               "generator or a busy machine was the limit, 1 could not be measured, 2 the command was wrong, "
               "130 interrupted")
    add.add_argument("url", metavar="URL", help="http://host:port, with a prefix where there is one")
    add.add_argument("--slo", required=True, type=slo, help="p99=20ms: response time from the intended start")
    add.add_argument("--model", metavar="NAME", help="or NAME@VERSION; default: the server's default")
    add.add_argument("--rate", type=positive, help="requests per second that you expect: is it borne?")
    add.add_argument("--protocol", choices=FINDERS, default="weighbridge", help="oip: the Open Inference Protocol v2, "
                     "as Triton, KServe, MLServer and OpenVINO Model Server have it (default: weighbridge)")
    add.add_argument("--split", metavar="NAME", help="labelled images to send; default: those that fit the model")
    add.add_argument("--root", type=Path, default=MODELS, help="folder with the splits (default: models)")
    add.add_argument("--body", choices=ENCODERS, help="how images travel to /predict (default: png)")
    add.add_argument("--quick", action="store_true", help="shorter probes, coarser brackets: marked as screening")
    add_dispersion(add)
    add.add_argument("--seed", type=seed, default=0, help="of arrival times and image order")
    add.add_argument("--output", type=folder, help="run folder; an unfinished one is continued")
    oip = add.add_argument_group("with --protocol oip")
    oip.add_argument("--tensor", choices=("binary", "json"), help="how tensors travel; json for servers without the "
                     "extension for binary tensors (default: binary)")
    oip.add_argument("--output-tensor", metavar="NAME", help="which output holds the classes (default: the first)")
    oip.add_argument("--scale", type=_number, metavar="X", help="of pixels, for tensors of floats (default: 1/255)")
    oip.add_argument("--mean", type=_number, nargs="+", metavar="X", help="taken away after scaling, one for all or "
                     "for each channel (default: 0)")
    oip.add_argument("--std", type=_number, nargs="+", metavar="X", help="divided by after that (default: 1)")
    add.set_defaults(do=bear, refuse=add.error)


def bear(options: argparse.Namespace, console: Console) -> int:
    """Find what a running server bears; the code of the verdict."""
    try:
        question = _question(options)
    except ValueError as error:  # options that are right by themselves, and not together
        options.refuse(str(error))
    output, key = new_folder(options, "capacity-"), Address.read().api_key
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ServerError("the API key in WEIGHBRIDGE_API_KEY has characters that no header may have")
    server = Elsewhere(question.url, output / "server.log", key)
    served, machine, cores = FINDERS[question.protocol](server, question), fingerprint(), share_out()
    kept = open_folder(
        output, question, model=served.model, served=served.facts, here=is_here(question.url), machine=machine,
        cores=_cores(cores.generator), created=machine["at"], command=command(),
        classes=len(served.split.card.classes), unknown=list(served.unknown),
    )
    limit = question.limit.among(question.dispersion)
    console.print(f"[bold]{served.model}[/] at {question.url} · {limit} · {served.split.card.name} as {served.kind} · "
                  f"{output}", soft_wrap=True)
    kept.note(finished=None)  # until it is again
    measured(lambda screen: measure(kept, served, server, cores, screen), folder=output, machine=machine,
             console=console, finish=lambda: finish(kept, console))
    kept.note(finished=fingerprint()["at"])
    return int(finish(kept, console)["verdict"]["code"])


def _question(options: argparse.Namespace) -> Question:
    return Question(
        url=options.url.rstrip("/"), slo=options.slo, rate=options.rate, protocol=options.protocol, model=options.model,
        split=options.split, root=str(options.root), body=options.body, tensor=options.tensor, scale=options.scale,
        mean=options.mean and tuple(options.mean), std=options.std and tuple(options.std),
        output_tensor=options.output_tensor, seed=options.seed, screening=options.quick,
        dispersion=options.dispersion,
    )


def _cores(generator: tuple[int, ...]) -> str:
    held = f"generator on core {', '.join(map(str, generator))}" if generator else "generator not pinned"
    return f"{held}; the server's cores are not ours to say"


def _number(text: str) -> float:
    """`0.5`, or `1/255`."""
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text} is no number; write 0.5 or 1/255") from None
