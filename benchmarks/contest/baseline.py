"""A stored side: what a server did once, kept to compare later ones with.

    python -m benchmarks compare fm-fast --save-baseline main        measures and keeps
    python -m benchmarks compare baseline:main fm-fast:t2            measures B alone, with the baseline's own terms

Side by side is better, because the machine moves too. Where only a stored run is at hand, three things are checked:
the images (always the same, or refused), the machine's fingerprint (by a policy), and how long a fixed piece of work
takes now and took then.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from benchmarks.comparison.run import RunError
from benchmarks.contest.duel import Contest, Terms
from benchmarks.machine.children import ROOT
from benchmarks.machine.fingerprint import differences

BASELINES = ROOT / "benchmarks" / "baselines"
PREFIX = "baseline:"
# What to do where machine, system or libraries differ: stop, say so beside the verdict, or say nothing.
Policy = Literal["refuse", "warn", "ignore"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


def baseline_folder(name: str, folder: Path = BASELINES) -> Path:
    """Where a baseline is kept; RunError for a name that is none."""
    if not name or name != Path(name).name or name.startswith("."):
        raise RunError(f"{name!r} is no name for a baseline; use letters, digits and dashes, as in main-2026-05")
    return folder / name


def find_baseline(name: str, folder: Path = BASELINES) -> Contest:
    """A complete baseline; RunError where there is none of that name, with those that there are."""
    place = baseline_folder(name, folder)
    known = sorted(path.parent.name for path in folder.glob("*/contest.json"))
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none"
        raise RunError(f"there is no baseline {name!r} in {folder}; {there}; make "
                       "one with python -m benchmarks compare MODEL --save-baseline NAME")
    found = Contest(place)
    if not found.complete:
        raise RunError(f"the baseline {name!r} is not complete; measure it again with the command in "
                       f"{place / 'contest.json'} to continue it")
    return found


def terms_of(baseline: Contest, *, b: str, margin: float, comparisons: int) -> Terms:
    """The terms that B is measured on: those of the baseline."""
    return replace(baseline.terms, a=PREFIX + baseline.folder.name, b=b, margin=margin, comparisons=comparisons,
                   rate=baseline.facts["rate"])


def facts_of(baseline: Contest, machine: dict[str, Any], policy: Policy) -> dict[str, Any]:
    """What is noted of a baseline in the contest that uses it; RunError where the policy refuses it."""
    found = differences(baseline.facts["machine"], machine)
    if found and policy == "refuse":
        raise RunError(f"the baseline {baseline.folder.name!r} was measured elsewhere ({'; '.join(found)}), and "
                       "figures of two places cannot be compared. Measure it here, or give --fingerprint warn to "
                       "compare anyway with that said beside the verdict, or --fingerprint ignore")
    return {"name": baseline.folder.name, "created": baseline.facts["created"], "policy": policy,
            "differences": found, "reference_us": baseline.facts.get("reference_us")}


def copy_rows(baseline: Contest, contest: Contest) -> None:
    """Put A's rows where the contest expects them; RunError where B would be sent other images."""
    ours, theirs = (_bodies(one) for one in (contest, baseline))
    if ours != theirs:
        raise RunError(f"the baseline {baseline.folder.name!r} was sent other images than there are now under "
                       f"{contest.terms.root}; measure it again")
    for pair in range(contest.terms.pairs):
        place = contest.place(pair)
        place.mkdir(exist_ok=True)
        for suffix in ("npz", "json"):  # the facts last: where they are, the rows are
            if not (place / f"a.{suffix}").exists():
                shutil.copyfile(baseline.place(pair) / f"a.{suffix}", place / f"a.{suffix}")
    if "rate" not in contest.facts:
        contest.note(rate=baseline.facts["rate"])


def _bodies(contest: Contest) -> dict[str, str]:
    return {name: about["payloads_sha256"] for name, about in contest.facts.get("datasets", {}).items()}
