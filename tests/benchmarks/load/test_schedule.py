import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load.schedule import arrivals, image_order, rounded


def test_the_schedule_is_pure_in_its_seed() -> None:
    assert np.array_equal(arrivals("poisson", 100, 5, seed=1), arrivals("poisson", 100, 5, seed=1))
    assert not np.array_equal(arrivals("poisson", 100, 5, seed=1), arrivals("poisson", 100, 5, seed=2))


def test_poisson_gaps_are_exponential() -> None:
    gaps = np.diff(arrivals("poisson", 200, 100, seed=0)) / 1e6

    # The largest distance between the empirical and the exponential distribution; 1.63/sqrt(n) is Kolmogorov's 1 %.
    ordered = np.sort(gaps)
    empirical = np.arange(1, len(ordered) + 1) / len(ordered)
    assert np.abs(empirical - (1 - np.exp(-200 * ordered))).max() < 1.63 / np.sqrt(len(ordered))


def test_poisson_counts_scatter_as_much_as_their_mean() -> None:
    counts = np.bincount(arrivals("poisson", 50, 400, seed=0) // 1_000_000)

    assert counts.mean() == pytest.approx(50, rel=0.03)
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("dispersion", [1.0, 4.0, 25.0])
def test_bursts_scatter_by_their_dispersion_at_the_same_mean_rate(dispersion: float) -> None:
    counts = np.bincount(arrivals("gamma", 100, 4000, 0, dispersion) // 10_000_000, minlength=400)

    assert counts.mean() == pytest.approx(1000, rel=0.03)
    assert counts.var() / counts.mean() == pytest.approx(dispersion, rel=0.25)


def test_bursts_are_pure_in_their_seed_and_unlike_poisson() -> None:
    bursts = arrivals("gamma", 100, 50, 1, 9.0)

    assert np.array_equal(bursts, arrivals("gamma", 100, 50, 1, 9.0))
    assert not np.array_equal(bursts, arrivals("gamma", 100, 50, 2, 9.0))
    gaps = np.diff(bursts)
    assert np.std(gaps) / np.mean(gaps) == pytest.approx(3, rel=0.2)


def test_constant_arrivals_are_evenly_spaced() -> None:
    assert arrivals("constant", 4, 1, seed=0).tolist() == [0, 250_000, 500_000, 750_000]


@given(rate=st.floats(0.1, 2000), seconds=st.floats(0.01, 5), seed=st.integers(0, 10**6))
def test_every_arrival_lies_within_the_duration_and_in_order(rate: float, seconds: float, seed: int) -> None:
    times = arrivals("poisson", rate, seconds, seed)

    assert (np.diff(times) >= 0).all()
    assert ((times >= 0) & (times <= seconds * 1e6)).all()


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1)])
def test_a_schedule_without_rate_or_duration_is_refused(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="positive rate and duration"):
        arrivals("poisson", rate, seconds, seed=0)


def test_every_image_has_its_turn_before_one_comes_again() -> None:
    order = image_order(10, 25, seed=3)

    assert sorted(order[:10]) == list(range(10))
    assert order[10:20].tolist() == order[:10].tolist()
    assert order.tolist() != sorted(order.tolist())


@pytest.mark.parametrize(("rate", "told"), [(0.04, 0.04), (0.012345, 0.01235), (469.23, 469.2), (8123.4, 8123.0)])
def test_a_rate_has_four_digits_and_is_never_none_at_all(rate: float, told: float) -> None:
    assert rounded(rate) == told
