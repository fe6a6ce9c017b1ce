"""Measures what a prediction weighs on the wire, and prints what many of them need.

    python -m benchmarks.scale              print the calculation from what is committed
    python -m benchmarks.scale --publish    count bytes and series anew, into benchmarks/results/scale/wire.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.machine.children import ROOT, leaving_nothing
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.machine.server import serving
from benchmarks.scale.wire import measure
from benchmarks.scale.words import WIRE, scale
from service.card import write_atomically
from service.splits import FOLDER

MODELS = ROOT / "models"
SPLIT = MODELS / FOLDER / "fashion-mnist-test"


def main(arguments: list[str] | None = None) -> int:
    """Do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publish", action="store_true", help="count bytes and series, and store them")
    console = Console(highlight=False)
    if parser.parse_args(arguments).publish:
        machine = fingerprint()
        with tempfile.TemporaryDirectory(prefix="scale-") as folder, \
                serving(root=MODELS, log=Path(folder) / "server.log") as server:
            found = measure(server, SPLIT)
        result = {"schema_version": 2, "machine": machine, **found}
        write_atomically(WIRE, json.dumps(result, indent=1).encode() + b"\n")
        console.print(f"published: {WIRE}; now run make readme")
    console.print(Markdown(scale()))
    return 0


if __name__ == "__main__":
    sys.exit(leaving_nothing(main))
