"""Whether a server answers from memory: the same load twice, once with different images, once with always the same.

A server that caches is fast for whoever asks twice, and a benchmark asks twice all the time. LoadGen calls this audit
performance_issue_unique and performance_issue_same.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.load.audit import Finding
from benchmarks.load.disturbance import undisturbed
from benchmarks.load.plan import Plan
from benchmarks.load.schedule import rounded
from benchmarks.load.stored import Load

SUSPICIOUS = 0.8   # of the time that different images take, at the median; caches save far more, noise far less
ENOUGH = 100       # answers of each kind


def caching_plans(
    rate: float, images: int, *, model: str, path: str, seed: int, seconds: float, suffix: str = ""
) -> tuple[Plan, Plan]:
    """Two loads alike but for their images. The first carries no image twice, so it is no longer than they last.

    `suffix` goes behind the names: a second pair of loads must not be taken for the first.
    """
    seconds = round(min(seconds, 0.8 * images / rate), 3)
    different, same = (
        Plan(name=name + suffix, model=model, path=path, arrival="poisson", rate=rounded(rate), seconds=seconds,
             warmup=0.0, seed=seed, same_image=name == "same-image")
        for name in ("different-images", "same-image")
    )
    return different, same


def memory(loads: Mapping[str, Load]) -> Finding | None:
    """What the pairs among `loads` say together, each on a fresh server.

    A cache shows in every pair. A restless machine does not: its first seconds may be slower than those that follow.
    """
    pairs = [(load, loads[other]) for name, load in sorted(loads.items()) if name.startswith("different-images")
             and (other := name.replace("different-images", "same-image")) in loads]
    findings = [answers_from_memory(*pair) for pair in pairs]
    return findings[-1] if findings and None not in findings else None


def answers_from_memory(different: Load, same: Load) -> Finding | None:
    """A finding where one image again and again is answered markedly faster than different ones."""
    slow, fast = undisturbed(different).succeeded, undisturbed(same).succeeded
    if min(len(slow), len(fast)) < ENOUGH:
        return Finding("cache-unknown", "too few answers to tell whether the server caches, without those that were "
                       "under way while something else had the cores", "measure for longer, or on a quieter machine",
                       invalid=False)
    ratio = float(np.median(fast.service_us) / np.median(slow.service_us))
    if ratio >= SUSPICIOUS:
        return None
    return Finding("cache", f"one image again and again takes {ratio:.0%} of the time of different ones: the server "
                            "seems to answer from memory", "switch the cache off; it flatters every other figure")
