"""`python -m export import SOURCE …`: what can be said about a model, and the order of finding out the rest.

    python -m export import model.onnx --classes classes.txt --normalize imagenet --test flowers/
    python -m export import model.pt --size 32x32 --classes classes.txt --samples flowers-few/
    python -m export import torchvision:resnet18 --weights resnet18.pth --classes classes.txt
    python -m export import mynet:build --weights mine.safetensors --size 28x28 --channels 1 --classes classes.txt

Exit codes: 0 published, 1 refused, 2 the command was wrong.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from rich.console import Console

from export.importing.asked import Asked, ImportRefusedError
from export.importing.pixels import PRESETS
from export.importing.scores import KINDS
from export.importing.signature import LAYOUTS
from export.parity import ParityError


def run(arguments: list[str], console: Console) -> int:
    """Import one model; says what was found out, line by line. Returns the exit code."""
    asked = Asked(**vars(_parser().parse_args(arguments)))
    from export.importing.foreign import understand
    from export.importing.publish import publish

    def say(line: str) -> None:
        console.print(f"  {line}", markup=False)

    try:
        console.print(f"[bold]{asked.source}[/]")
        foreign = understand(asked)
        for line in foreign.told:
            say(line)
        done = publish(foreign, asked, say)
    except (ImportRefusedError, ParityError, ValueError, RuntimeError) as error:  # the last: torch's, and no runtime
        console.print(f"  refused: {error}", style="red", markup=False)
        return 1
    say(f"{'already published' if done.existed else 'published'}: {done.folder}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export import", description="Make a classifier from elsewhere into an artifact that serves, "
        "evaluates and weighs like ours. What cannot be found out is asked for. docs/own-model.md shows the way.",
    )
    parser.add_argument("source", metavar="SOURCE", help="FILE.onnx; FILE.pt (TorchScript); or timm:NAME, "
                        "torchvision:NAME, module:function with --weights")
    parser.add_argument("--classes", type=Path, metavar="FILE", help="class names in the order of the outputs, one a "
                        "line, or as JSON; default: what the graph says itself")
    parser.add_argument("--name", type=_name, help="the model's name; default: the file's")
    parser.add_argument("--description", metavar="TEXT", help="one line for the card")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="safetensors, or a state dict of torch.save")
    parser.add_argument("--input", metavar="NAME", help="of the graph's inputs")
    parser.add_argument("--output", metavar="NAME", help="of the graph's outputs, the one with the scores")
    parser.add_argument("--layout", choices=LAYOUTS, help="axes of the input: N batch, C channels, H height, W width, "
                        "F all in a row")
    parser.add_argument("--size", type=_size, metavar="HxW", help="height and width, where the graph leaves them open")
    parser.add_argument("--channels", type=int, choices=(1, 3), help="grey or RGB, where the graph leaves it open")
    parser.add_argument("--normalize", choices=[*PRESETS], help="what was done to pixels in training: raw 0..255, unit "
                        "0..1, signed -1..1, or by a data set's mean and deviation")
    parser.add_argument("--mean", type=float, nargs="+", metavar="M", help="per channel, of pixels in 0..1")
    parser.add_argument("--std", type=float, nargs="+", metavar="S", help="per channel, of pixels in 0..1")
    parser.add_argument("--bgr", action="store_true", help="the network takes blue, green, red")
    parser.add_argument("--scores", choices=KINDS, help="what comes out, where running it does not tell")
    parser.add_argument("--samples", type=Path, metavar="DATA", help="labelled images on which the normalisation is "
                        "tried, where the graph does not have it; not those of --test")
    parser.add_argument("--test", type=Path, metavar="DATA", help="labelled images for the accuracy on the card, for "
                        "/evaluate and for weighing: a folder of class folders, or Parquet")
    parser.add_argument("--dataset", type=_name, metavar="NAME", help="what --test is called; default: its folder")
    parser.add_argument("--to", type=Path, default=Path("artifacts"), metavar="ROOT", help="default: artifacts")
    return parser


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text)
    if found is None or not int(found[1]) or (found[2] and not int(found[2])):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; say HEIGHTxWIDTH in pixels, e.g. 224x224")
    return int(found[1]), int(found[2] or found[1])


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: lower-case letters, digits, '.', '_' and '-'")
    return text
