from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.load.audit import audit
from benchmarks.load.merge import Part, merge, pack, unpack
from benchmarks.load.plan import Plan
from benchmarks.load.schedule import arrivals
from benchmarks.load.stored import Load


def parts(load: Load) -> list[Part]:
    """A load as three generators would have seen it."""
    turn = np.arange(len(load.rows)) % 3
    return [Part(load.rows.where(turn == k), load.generator | {"cpu": [0.1 * k], "problems": {"timeout": k}})
            for k in range(3)]


def test_rows_of_several_generators_merge_to_those_of_one(made: Callable[..., Load]) -> None:
    load = made()

    whole = merge([Part(unpack(pack(part.rows)), part.account) for part in parts(load)], expected=3)

    for name, column in vars(load.rows).items():
        np.testing.assert_array_equal(getattr(whole.rows, name), column)
    assert whole.account["cpu"] == [0.2]  # of the busiest
    assert whole.account["problems"] == {"timeout": 3}
    assert [worker["requests"] for worker in whole.account["workers"]] == [334, 333, 333]


def test_a_generator_that_went_away_makes_the_load_invalid(made: Callable[..., Load]) -> None:
    whole = merge(parts(made())[:2], expected=3)

    found = audit(replace(made(), rows=whole.rows, generator=whole.account))

    assert {"workers-lost", "rate-not-reached"} <= {finding.code for finding in found if finding.invalid}


def test_shares_of_a_poisson_stream_add_up_to_one(poisson: Callable[..., Plan]) -> None:
    plan = poisson(rate=900.0, seconds=60.0, pool=512)
    streams = [arrivals("poisson", share.rate, share.seconds, share.seed)
               for share in (plan.share(k, 3) for k in range(3))]
    gaps = np.diff(np.sort(np.concatenate(streams)))

    assert plan.share(0, 1) is plan
    assert len({share.tobytes() for share in streams}) == 3
    assert gaps.mean() == pytest.approx(1e6 / 900, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)          # exponential
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 0.02          # and without memory


def test_connections_are_shared_without_loss() -> None:
    plan = Plan(name="closed", model="toy@1", arrival="closed", seconds=1, connections=8, at_least=100)

    assert [plan.share(k, 3).connections for k in range(3)] == [3, 3, 2]
    with pytest.raises(ValueError, match="cannot be split"):
        plan.share(0, 9)
