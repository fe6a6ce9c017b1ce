from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy import probabilities, write_toy

from benchmarks.load.audit import audit
from benchmarks.load.payloads import encode
from benchmarks.load.reference import Reference, changed_answers, flips, reference
from benchmarks.load.rows import UNKNOWN
from benchmarks.load.stored import Load
from service.card import read_card

Made = Callable[..., Load]
KNOWN = Reference(np.arange(1000, dtype=np.int16) % 10, "onnxruntime 1.0")  # what the rows made by hand answer


@pytest.mark.parametrize("body", ["raw", "png"])
def test_the_reference_answers_the_very_bodies_that_are_sent(tmp_path: Path, body: str) -> None:
    folder = write_toy(tmp_path, "toy")
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), dtype=np.uint8)
    payloads = encode(body, images, np.zeros(30, np.int64), limit=20, seed=1)

    found = reference(read_card(folder), folder, payloads, tmp_path / "reference.npz")

    asked = found.predicted != UNKNOWN
    assert np.count_nonzero(asked) == 20
    assert np.array_equal(found.predicted[asked], probabilities(images).argmax(axis=1)[:len(asked)][asked])
    assert found.runtime.startswith("onnxruntime ")
    again = reference(read_card(folder), tmp_path / "gone", payloads, tmp_path / "reference.npz")
    assert np.array_equal(again.predicted, found.predicted)  # read back, not asked again


def test_the_same_answers_are_no_flips(made: Made) -> None:
    found = flips(KNOWN, made().rows)

    assert (found["images"], found["flipped"], found["unstable"], found["p_value"]) == (1000, 0, 0, 1.0)
    assert changed_answers(found, "onnxruntime") is None


def test_flips_are_counted_by_image_and_by_what_they_did_to_the_accuracy(made: Made) -> None:
    predicted, label = (np.arange(1000, dtype=np.int16) % 10 for _ in range(2))
    predicted[:20] += 1        # right before, wrong now
    label[500:505] += 1
    predicted[500:505] += 1    # wrong before, right now
    rows = made(predicted=predicted, label=label).rows

    found = flips(KNOWN, rows, rows)  # asked twice

    assert (found["images"], found["flipped"], found["lost"], found["gained"]) == (1000, 25, 20, 5)
    assert found["interval"][0] < 0.025 < found["interval"][1]
    assert found["p_value"] < 0.01


def test_images_the_reference_was_not_asked_about_do_not_count(made: Made) -> None:
    few = Reference(KNOWN.predicted[:100], KNOWN.runtime)

    assert flips(few, made().rows)["images"] == 100


def test_within_one_runtime_changed_answers_are_a_fault_and_across_two_a_note(made: Made) -> None:
    found = flips(KNOWN, made(predicted=np.roll(KNOWN.predicted, 1)).rows)

    assert changed_answers(found, "onnxruntime").invalid
    assert changed_answers(found, "torchscript").code == "flips"
    assert not changed_answers(found, "torchscript").invalid



def test_an_image_answered_in_two_ways_is_noted(made: Made) -> None:
    image = (np.arange(1000) // 2).astype(np.int32)  # each twice, but in rows made by hand their answers differ

    codes = {finding.code for finding in audit(made(image=image))}

    assert "unstable-answers" in codes
    assert "unstable-answers" not in {finding.code for finding in audit(made())}


def test_goodput_counts_what_is_right_and_in_time_among_all_that_was_asked(made: Made) -> None:
    from benchmarks.load.summary import goodput

    load = made()
    done, predicted = load.rows.done.copy(), load.rows.predicted.copy()
    done[:100] += 50_000      # late
    predicted[50:150] += 1    # wrong, half of them late as well
    load = replace(load, plan=replace(load.plan, limit_us=20_000), rows=replace(load.rows, done=done,
                                                                                predicted=predicted))

    found = goodput(load)

    assert (found["good"], found["share"], found["per_second"]) == (850, 0.85, 85.0)
    assert goodput(made()) is None
