"""The matrix of a decision: its axes, what is left out of it, what is dropped from it, and its order in time."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.comparison.contenders import find_contenders
from benchmarks.decision import configurations
from benchmarks.decision.configurations import Configuration, left_out, matrix
from benchmarks.decision.estimate import Progress, estimated, minutes, seconds_for
from benchmarks.decision.measure import _order
from benchmarks.decision.names import in_a_row, in_common, short_names
from benchmarks.decision.screening import dominated
from benchmarks.decision.wish import USUAL, Wish

WISH = Wish(slo="p99=20ms", min_accuracy=0.9, rate=10.0, models=("a",))


def test_every_axis_multiplies_and_every_configuration_has_its_own_name(toys: Path) -> None:
    wish = replace(WISH, threads=(1, 2), workers=(1, 2), batching=("1", USUAL, "8:2.5"))

    found = matrix(find_contenders(toys / "models", ["a"]), wish, server_cores=4)

    assert len(found) == len({one.id for one in found}) == 2 * 2 * 3
    assert {"a@1-onnxruntime-t1-w1", "a@1-onnxruntime-t2-w1-b1", "a@1-onnxruntime-t1-w2-b8-2.5ms"} <= {
        one.id for one in found}
    assert "a, onnxruntime, 1 thread, 2 workers, batches of 8 that wait 2.5 ms" in map(str, found)
    one = Configuration("a@1", "onnxruntime", 1, 1, max_batch=8, max_wait_ms=2.5)
    assert "WEIGHBRIDGE_MAX_BATCH=8 WEIGHBRIDGE_MAX_WAIT_MS=2.5 python" in one.command("models")


def test_cuda_is_in_the_matrix_only_where_a_gpu_is(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contenders = find_contenders(toys / "models", ["a"])
    monkeypatch.setattr(configurations, "no_gpu", lambda: "no NVIDIA GPU is here")

    assert [one.device for one in matrix(contenders, WISH, 1)] == ["cpu"]
    assert "cuda: no NVIDIA GPU is here" in left_out(contenders, WISH)
    asked = matrix(contenders, replace(WISH, devices=("cuda",)), 1)
    assert list(asked.values()) == ["no NVIDIA GPU is here"]

    monkeypatch.setattr(configurations, "no_gpu", lambda: None)
    assert [one.device for one in matrix(contenders, WISH, 1)] == ["cpu", "cuda"]


def test_a_runtime_that_no_model_was_exported_for_is_told_with_the_cure(toys: Path) -> None:
    (told, *_) = left_out(find_contenders(toys / "models"), WISH)

    assert told.startswith("torchscript, torchexport and aotinductor: no model here is exported for it; python -m "
                           "export NAME --format onnx torchscript pt2")


@pytest.mark.parametrize("policy", ["0", "many", "32:-1", ""])
def test_a_batch_policy_that_the_service_would_refuse_is_refused_first(policy: str) -> None:
    with pytest.raises(ValueError, match="WEIGHBRIDGE_MAX"):
        replace(WISH, batching=(policy,))


def test_a_policy_that_makes_no_difference_is_dropped_and_one_that_does_is_kept() -> None:
    def entry(name: str, joined: float, **changes: Any) -> dict[str, Any]:
        return {"id": name, "model": "toy@1", "runtime": "r", "device": "cpu", "threads": 1, "workers": 1, "cores": 1,
                "usual_policy": False, "max_batch": 1, "max_wait_ms": 0.0, "unavailable": None, "card_accuracy": None,
                "image_shape": [4, 4, 1], "forward_us": {"p50": 300.0, "p90": 310.0, "joined": joined}} | changes

    usual = entry("usual", 295.0, usual_policy=True)

    assert dominated([entry("off", 295.0), usual]) == {"off": (
        "the same as toy: joining requests does not pay for it (300 µs for an image alone, 295 µs in the best "
        "batch), so the service never joins any")}
    assert not dominated([entry("off", 100.0), usual])
    assert not dominated([entry("off", 295.0, workers=2), usual])


def test_a_configuration_is_named_by_what_tells_it_from_the_others() -> None:
    def named(*those: Configuration) -> tuple[list[str], str]:
        entries = [asdict(one) | {"id": one.id, "usual_policy": one.usual_policy} for one in those]
        return list(short_names(entries).values()), in_common(entries)

    one, two = Configuration("a@1", "onnxruntime", 1, 1), Configuration("b@1", "onnxruntime", 1, 1)

    assert named(one, two) == (["a", "b"], "onnxruntime, 1 thread")
    assert named(one, replace(two, threads=2, max_batch=1)) == (
        ["a, 1 thread", "b, 2 threads, no batching"], "onnxruntime")
    assert named(one, replace(one, model="a@2"), replace(one, device="cuda")) == (
        ["a@1", "a@2", "a@1, on CUDA"], "onnxruntime, 1 thread")
    assert in_a_row(["a", "b, 2 threads, no batching", "c"]) == "a, b (2 threads, no batching) and c"
    assert str(replace(two, workers=2, max_batch=8, max_wait_ms=2.0)) == (
        "b, onnxruntime, 1 thread, 2 workers, batches of 8 that wait 2 ms")


def test_the_second_pass_is_the_first_in_reverse() -> None:
    folder: Any = SimpleNamespace(wish=replace(WISH, passes=3, seed=1))
    worth = [Configuration(f"{name}@1", "onnxruntime", 1, 1) for name in "abcdef"]

    turns = list(_order(worth, folder))
    first, second, third = ([one for number, one in turns if number == wanted] for wanted in (1, 2, 3))

    assert sorted(first, key=str) == worth != first
    assert second == first[::-1]
    assert third == first


def test_the_estimate_grows_with_the_matrix_and_is_corrected_on_the_way() -> None:
    entry = {"forward_us": {"p50": 100.0}, "workers": 1}

    assert 60 < seconds_for(entry, WISH, 1) < 300
    assert seconds_for(entry, WISH, 2) < seconds_for(entry, WISH, 1)
    assert estimated(4, WISH) > estimated(4, replace(WISH, screening=True, passes=1))
    assert (minutes(40), minutes(200)) == ("about a minute", "about 4 min")
    left = Progress([100.0, 200.0])
    assert left.begin() == "1 of 2, about 5 min left"
    assert left.begin().startswith("2 of 2")
