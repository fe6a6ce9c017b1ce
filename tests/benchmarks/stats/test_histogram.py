import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from benchmarks.stats.histogram import encoded, histogram, percentiles


@pytest.mark.parametrize("median_us", [80, 900, 15_000, 2_000_000])
def test_percentiles_agree_with_numpy_to_three_digits(median_us: int) -> None:
    values = np.random.default_rng(0).lognormal(np.log(median_us), 0.7, 20_001).astype(np.int64)

    found = percentiles(histogram(values), (50, 90, 99, 99.9))

    for name, value in found.items():
        exact = np.percentile(values, float(name[1:]), method="inverted_cdf")
        assert value == pytest.approx(exact, rel=0.001, abs=1)


def test_six_tenths_of_a_millisecond_is_not_one_millisecond() -> None:
    assert percentiles(histogram(np.full(100, 620)), [50]) == {"p50": 620}


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert percentiles(histogram(np.array([], dtype=np.int64))) == {}


def test_any_hdr_library_reads_the_text_back() -> None:
    original = histogram(np.array([100, 200, 5000]))

    restored = HdrHistogram.decode(encoded(original))

    assert restored.get_total_count() == 3
    assert restored.get_max_value() == original.get_max_value()
