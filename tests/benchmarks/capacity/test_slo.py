import pytest

from benchmarks.capacity.slo import Slo


@pytest.mark.parametrize(("text", "percentile", "limit_us"), [
    ("p99=20ms", 99, 20_000), ("p99.9=1s", 99.9, 1_000_000), ("p90 = 0.5 ms", 90, 500), ("p50=250us", 50, 250),
])
def test_an_objective_is_a_percentile_and_a_limit(text: str, percentile: float, limit_us: int) -> None:
    assert Slo.parse(text) == Slo(percentile, limit_us)


@pytest.mark.parametrize("text", ["20ms", "p99<20ms", "p99=20", "p10=5ms", "p99=0ms", "p100=1s", "", "p99=15s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"p99=20ms|must be above 0|above 4 s cannot be weighed"):
        Slo.parse(text)


def test_it_reads_as_a_sentence() -> None:
    assert str(Slo.parse("p99=20ms")) == "p99 ≤ 20 ms"
