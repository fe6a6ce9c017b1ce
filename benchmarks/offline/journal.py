"""Which units are done: a file that only grows, a line per unit. Gone when the evaluation is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.offline.dataset import Dataset
from benchmarks.offline.scorer import Job, Scored
from service.shelf import Opened


class Journal:
    """The journal of one evaluation: same data, same model file, same batches. Which engine does not matter."""

    def __init__(self, folder: Path, dataset: Dataset, job: Job, opened: Opened) -> None:
        files = [(file.path, file.sha256) for file in opened.card.files]
        how = (job.runtime, job.batch_size, sorted(job.environ.items()))
        what = json.dumps([dataset.stamp, opened.card.id, files, how])
        self.path = folder / f"{opened.card.id}-{hashlib.sha256(what.encode()).hexdigest()[:16]}.jsonl"

    def read(self) -> Iterator[Scored]:
        """What is done; a last line that a kill cut off is not."""
        if not self.path.exists():
            return
        for line in self.path.read_text().splitlines():
            try:
                scored = Scored.from_dict(json.loads(line))
            except (ValueError, KeyError, IndexError, TypeError):
                continue
            yield scored

    def add(self, scored: Scored) -> None:
        """One unit more."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write("\n" + json.dumps(scored.to_dict()))  # first the end of what a kill may have cut off

    def close(self) -> None:
        """All units are done."""
        self.path.unlink(missing_ok=True)
