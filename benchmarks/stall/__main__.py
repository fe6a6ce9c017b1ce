"""What a closed loop hides: stock locust and our load on a server that sleeps 1.5 s once in 10 s.

    python -m benchmarks.stall                two minutes, and a table
    python -m benchmarks.stall --publish      also benchmarks/results/stall/, from which docs/weighing.md is made
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.commands.shared import positive
from benchmarks.machine.children import leaving_nothing
from benchmarks.machine.cores import share_out
from benchmarks.machine.fingerprint import fingerprint, warnings
from benchmarks.stall.measure import USERS, Stalling, with_locust, with_ours
from benchmarks.stall.publish import as_result, publish
from benchmarks.stall.words import stall_table


def main(arguments: list[str] | None = None) -> int:
    """Measure, show, and store where that is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stall", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=positive, default=Stalling.seconds, help="of each load (default: 40)")
    parser.add_argument("--publish", action="store_true", help="store the result in benchmarks/results/")
    options = parser.parse_args(arguments)
    asked, cores, machine, console = Stalling(seconds=options.seconds), share_out(), fingerprint(), Console()
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    rows = []
    with tempfile.TemporaryDirectory(prefix="weighbridge-stall-") as folder:
        for kind in USERS:
            console.print(f"  locust, {kind}: {asked.seconds:g} s …")
            rows.append(with_locust(kind, asked, Path(folder), cores))
        console.print(f"  open loop: {asked.seconds:g} s …")
        rows.append(with_ours(asked, Path(folder), cores))
    result = as_result(asked, rows, machine)
    console.print(Markdown(stall_table(result)))
    if options.publish:
        console.print(f"published: {publish(result)}; now run make readme", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(leaving_nothing(main))
