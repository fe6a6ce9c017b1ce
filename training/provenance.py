"""Where a figure was made: machine, versions, commit. Recorded in every run."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.cpu import cpu_flags, cpu_generation, cpu_name, usable_cores

ROOT = Path(__file__).parent.parent
COMMIT_FILE = "COMMIT"  # beside a copy of the code that was taken out of its checkout
# Flags that decide how fast, and in which bits, matrix products run.
TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve")


def machine() -> dict[str, Any]:
    """CPU name and generation, cores this process may use, telling instruction sets, GPU name or None, system."""
    flags = cpu_flags()
    return {
        "cpu": cpu_name(),
        "generation": cpu_generation(),
        "cores": usable_cores(),
        "flags": [flag for flag in TELLING_FLAGS if flag in flags],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Versions of what computes."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a subclass of str, which a strict reader refuses
        "numpy": np.__version__,
        **({"cuda": torch.version.cuda} if torch.version.cuda and torch.cuda.is_available() else {}),
    }


def commit() -> str | None:
    """The checkout's commit, `-dirty` when tracked files differ from it; None outside a checkout or without git.

    A copy of the code says in COMMIT_FILE which commit it is of.
    """
    if (ROOT / COMMIT_FILE).is_file():
        return (ROOT / COMMIT_FILE).read_text().strip()
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],  # noqa: S607 - the user's git
            cwd=ROOT, capture_output=True, text=True, check=False,
        )
    except FileNotFoundError:
        return None
    return asked.stdout.strip() or None
