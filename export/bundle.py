"""The models that travel with the repository: ONNX only, each added once, all together within a limit.

    python -m export bundle cf-fast fm002-ann-mod          publish into models/ from finished runs
    python -m export bundle cf003 --half                   with its weights as float16: half the bytes

A name that is there already stays as it is: git keeps every version of a file for ever, so a retrained network goes to
artifacts/ and not here. Nothing is left behind by a model that would not fit.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from export.publish import ExportRefusedError, Published, publish
from export.staging import newest_version
from training.runs import Run

BUNDLE = Path(__file__).parent.parent / "models"
LIMIT_BYTES = 25_000_000  # models and labelled splits together


def bundle(
    run: Run, root: Path = BUNDLE, *, half: bool = False, limit: int = LIMIT_BYTES,
    say: Callable[[str], None] = lambda _: None,
) -> Published:
    """Publish `run` into `root` as ONNX; raises ExportRefusedError where its name is there or `limit` does not hold it.

    Otherwise as `publish`.
    """
    name = run.recipe.name
    if (there := newest_version(root / name)) is not None:
        raise ExportRefusedError(
            f"{name} is bundled already, as {there[0]}; a bundled model is added once. For other weights: "
            f"python -m export {name} --to artifacts"
        )
    before = size(root)
    done = publish(run, root, formats=("onnx",), half=half, say=say)
    if (total := size(root)) > limit:
        shutil.rmtree(root / name)
        raise ExportRefusedError(
            f"{name} takes {(total - before) / 1e6:.1f} MB, and {(limit - before) / 1e6:.1f} of {limit / 1e6:.0f} MB "
            f"are left in {root}{'' if half else '; --half stores its weights as float16'}"
        )
    say(f"{total / 1e6:.1f} of {limit / 1e6:.0f} MB are used in {root}")
    return done


def size(root: Path) -> int:
    """Bytes of all files under `root`."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
