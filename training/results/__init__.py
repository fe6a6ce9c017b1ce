"""What we measured, committed: one small JSON file per recipe, data set and device, and the table made from them.

    python -m training results                         derive the files again from the finished runs of this machine
    python -m training probe fm001-mixer               measure how long a recipe would take that was not run

`README.md` is the table of all recipes with the reason of every verdict.

A file is self-sufficient: every seed's figures and curves, intervals, the report's figure, the verdict with its reason,
machine and versions, and the finished row of the table. `reproduction.json` holds all rows in order, also those of
recipes that were not run. Only finished runs get in, and a file is never made poorer: seeds that are not on this
machine stay as they are while the recipe's fingerprint is the same. Knows nothing of torch.

    {"recipe", "fingerprint", "dataset", "device", "parameters", "reported", "verdict": {"word", "reason"},
     "row": {"recipe", "data", ...}, "environments": [{"machine", "versions"}],
     "protocols": {"report" | "clean": {"split", "summary": {"n", "mean", "low", "high", "interval", ...},
                                        "seeds": [{"seed", "figure", "train", "validation", "test", "curves", ...}]}}}

Accuracies are fractions, losses nats per image, times seconds.
"""

from training.results.durations import duration, read_probes
from training.results.files import FOLDER, read_all, write_all
from training.results.table import rows

__all__ = ["FOLDER", "duration", "read_all", "read_probes", "rows", "write_all"]
