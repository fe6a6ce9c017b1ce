"""Our figures against scikit-learn's, to the last digits."""

from __future__ import annotations

import math
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from service.calibration import Filled, expected_error, reliability
from service.exact import exact_mean, exact_sum
from service.scoring import Tally, score, top_k, wilson


def outcomes(seed: int, count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels in which, for small counts, classes go missing on either side."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, 0.3), count), rng.integers(0, classes, count)


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(2, 12))
def test_everything_agrees_with_scikit_learn(seed: int, count: int, classes: int) -> None:
    probabilities, labels = outcomes(seed, count, classes)
    predicted, known = probabilities.argmax(axis=1), np.arange(classes)

    ours = score(probabilities, labels)

    assert ours.accuracy == pytest.approx(accuracy_score(labels, predicted), abs=1e-12)
    np.testing.assert_array_equal(ours.confusion, confusion_matrix(labels, predicted, labels=known))
    theirs = precision_recall_fscore_support(labels, predicted, labels=known, zero_division=0)
    for mine, other in zip((ours.precision, ours.recall, ours.f1, ours.support), theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-12, rtol=0)
    for average, mine in (("macro", ours.macro), ("micro", ours.micro), ("weighted", ours.weighted)):
        theirs = precision_recall_fscore_support(labels, predicted, labels=known, average=average, zero_division=0)
        assert (mine.precision, mine.recall, mine.f1) == pytest.approx(theirs[:3], abs=1e-12)
    assert ours.log_loss == pytest.approx(log_loss(labels, probabilities, labels=known), abs=1e-12)
    recalls = confusion_matrix(labels, predicted, labels=known, normalize="true").diagonal()[np.unique(labels)]
    assert ours.balanced == pytest.approx(recalls.mean(), abs=1e-12)
    if set(predicted) <= set(labels) and len(set(labels)) > 1:  # else scikit-learn warns about what it is asked
        assert ours.balanced == pytest.approx(balanced_accuracy_score(labels, predicted), abs=1e-12)
    if classes > 2:
        assert ours.brier == pytest.approx(brier_score_loss(labels, probabilities, labels=known), abs=1e-12)
        for k, mine in ours.top_k.items():
            assert mine == pytest.approx(top_k_accuracy_score(labels, probabilities, k=k, labels=known), abs=1e-12)


@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(2, 12))
def test_the_reliability_curve_is_scikit_learn_s_and_the_error_follows_from_it(
    seed: int, count: int, classes: int
) -> None:
    probabilities, labels = outcomes(seed, count, classes)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels

    curve = reliability(probabilities, labels)

    accuracies, confidences = calibration_curve(right, confidence, n_bins=len(curve), pos_label=True)
    filled = [each for each in curve if each.count]
    np.testing.assert_allclose([each.accuracy for each in filled], accuracies, atol=1e-12, rtol=0)
    np.testing.assert_allclose([each.confidence for each in filled], confidences, atol=1e-12, rtol=0)
    assert sum(each.count for each in curve) == count
    weights = np.array([each.count for each in filled]) / count
    assert expected_error(curve) == pytest.approx((weights * abs(accuracies - confidences)).sum(), abs=1e-12)


def test_of_two_classes_the_brier_score_is_twice_the_one_that_looks_at_one_class() -> None:
    probabilities, labels = outcomes(1, 50, 2)

    assert score(probabilities, labels).brier == pytest.approx(2 * np.mean((probabilities[:, 1] - labels) ** 2))


def test_the_first_of_equal_classes_is_among_the_most_probable_first() -> None:
    equal = np.full((3, 3), 1 / 3)

    assert [top_k(equal, np.array([0, 1, 2]), k) for k in (1, 2, 3)] == [1 / 3, 2 / 3, 1]


def test_a_certain_mistake_costs_a_finite_amount() -> None:
    assert score(np.array([[1.0, 0.0]]), np.array([1])).log_loss == pytest.approx(-np.log(np.finfo(float).eps))


def test_of_equal_probabilities_the_first_class_is_predicted() -> None:
    assert score(np.array([[0.5, 0.5]]), np.array([0])).correct == 1


def test_wilson_is_the_textbook_interval() -> None:
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-7)


@given(st.integers(1, 10_000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_wilson_stays_inside_zero_and_one_and_around_the_share(case: tuple[int, int]) -> None:
    low, high = wilson(*case)

    assert 0 <= low <= case[0] / case[1] <= high <= 1


@pytest.mark.parametrize("labels", [[], [0, 1], [2], [-1]])
def test_labels_that_do_not_fit_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        score(np.array([[0.5, 0.5]])[: len(labels) or 0], np.array(labels, dtype=int))


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(2, 12), st.lists(st.integers(0, 60), max_size=4))
def test_parts_that_are_merged_in_any_order_are_the_whole_to_the_last_bit(
    seed: int, count: int, classes: int, cuts: list[int]
) -> None:
    probabilities, labels = outcomes(seed, count, classes)
    edges = [0, *sorted(min(cut, count) for cut in cuts), count]
    parts = [slice(start, stop) for start, stop in pairwise(edges)]
    np.random.default_rng(seed).shuffle(parts)

    tally = reduce(add, (Tally.of(probabilities[part], labels[part]) for part in parts))
    filled = reduce(add, (Filled.of(probabilities[part], labels[part]) for part in parts))

    assert repr(tally.scores()) == repr(score(probabilities, labels))
    assert filled.curve() == reliability(probabilities, labels)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300), min_size=1))
def test_an_exact_sum_is_rounded_once(values: list[float]) -> None:
    assert exact_mean(exact_sum(np.array(values)), 1) == math.fsum(values)
