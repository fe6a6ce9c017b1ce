import numpy as np
import pytest

from benchmarks.load.audit import never_steady
from benchmarks.load.steadiness import LEAST, WINDOW, Steadiness


def watched(medians: list[float], limit_us: int | None = None) -> Steadiness:
    """What is said after windows with these medians."""
    steadiness, now = Steadiness(limit_us), 0
    for median in medians:
        for _ in range(LEAST):
            now += WINDOW // LEAST + 1
            steadiness.add(now, int(median))
    return steadiness


@pytest.mark.parametrize(("medians", "steady"), [
    ([900, 900, 900, 900, 900], None),                 # one window short
    ([900, 910, 890, 905, 900, 915], True),
    ([900, 1300, 800, 1200, 1000, 700], True),         # noisy, but going nowhere
    ([9000, 900, 900, 900, 900, 900], True),           # the first answer was slow, long ago
    ([9000, 5000, 3000, 2000, 1500, 1200], False),     # getting warm
    ([900, 2000, 4000, 8000, 16000, 32000], False),    # a queue that grows
    ([32000, 9000, 900, 900, 900, 900, 900, 900], True),
])
def test_a_server_is_steady_when_three_windows_look_like_the_three_before(medians: list[float], steady: bool) -> None:
    assert watched(medians).steady is steady


def test_steady_answers_are_found_steady_nearly_always() -> None:
    random = np.random.default_rng(0)

    found = [watched(random.normal(1000, 300, 6).clip(100).tolist()).steady for _ in range(300)]

    assert np.mean(found) > 0.85


def test_a_queue_beyond_the_limit_is_not_waited_for() -> None:
    rising = [30_000, 60_000, 90_000]

    assert watched(rising, limit_us=20_000).hopeless
    assert not watched(rising).hopeless
    assert not watched(rising[::-1], limit_us=20_000).hopeless  # getting faster


@pytest.mark.parametrize(("steady", "code", "invalid"), [(False, "never-steady", True), (True, None, None),
                                                         (None, "warm-up-unknown", False)])
def test_a_load_whose_warm_up_found_no_end_says_so(made, poisson, steady, code, invalid) -> None:
    load = made(poisson(rate=100.0, seconds=10.0, warmup=0.0, warmup_most=1.0))
    load.generator["warmup"] = {"seconds": 1.0, "steady": steady, "windows_us": [5000.0, 900.0]}

    finding = never_steady(load)

    assert (finding and finding.code, finding and finding.invalid) == (code, invalid)
