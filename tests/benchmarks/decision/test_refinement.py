"""The few best get every axis: which axes, who is chosen, and what becomes of a folder that is continued."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.comparison.contenders import find_contenders
from benchmarks.comparison.run import RunError
from benchmarks.decision import measure
from benchmarks.decision.configurations import Configuration, left_out
from benchmarks.decision.folder import DecisionFolder
from benchmarks.decision.page import page
from benchmarks.decision.publish import finish
from benchmarks.decision.refinement import in_matrix, most_promising, refined
from benchmarks.decision.wish import Wish
from benchmarks.machine.server import Server

WISH = Wish(slo="p99=20ms", min_accuracy=0.9, rate=10.0, refine=2)
ONE = Configuration("a@1", "onnxruntime", 1, 1)
Opened = Callable[[Path, Wish], DecisionFolder]


def entry(one: Configuration, rank: int, accuracy: float | None = 0.95, capacity: Any = "some") -> dict[str, Any]:
    card = accuracy and {"top1": accuracy, "interval": [accuracy, accuracy]}
    return {"id": one.id, "model": one.model, "runtime": one.runtime, "device": one.device, "rank": rank,
            "card_accuracy": card, "accuracy": None, "capacity": capacity}


def test_on_one_core_refining_is_about_batches_alone() -> None:
    assert [one.id for one in refined(ONE, WISH, beside=1)] == [
        "a@1-onnxruntime-t1-w1-b1", "a@1-onnxruntime-t1-w1-b32-2ms"]


def test_with_more_cores_threads_and_workers_are_tried_as_far_as_there_are_cores_for_both() -> None:
    found = refined(ONE, WISH, beside=7)

    assert len(found) == 3 * 3 - 1
    assert {(one.threads, one.workers) for one in found} == {(1, 1), (1, 7), (7, 1)}
    assert not any(in_matrix(one, WISH) for one in found)


def test_what_the_matrix_tries_of_every_model_is_not_tried_twice() -> None:
    wide = replace(WISH, workers=(1, 7), batching=("1", "32"))

    assert {one.id for one in refined(ONE, wide, beside=7)} == {
        "a@1-onnxruntime-t1-w1-b32-2ms", "a@1-onnxruntime-t1-w7-b32-2ms",
        "a@1-onnxruntime-t7-w1-b1", "a@1-onnxruntime-t7-w1", "a@1-onnxruntime-t7-w1-b32-2ms"}


def test_the_best_are_those_that_are_accurate_enough_one_for_each_model_and_runtime() -> None:
    other = replace(ONE, model="b@1")
    entries = [
        entry(replace(ONE, model="blind@1"), 1, accuracy=0.5),
        entry(replace(ONE, model="unscored@1"), 2, accuracy=None),
        entry(replace(ONE, model="unmeasured@1"), 3, capacity=None),
        entry(other, 6), entry(ONE, 4), entry(replace(ONE, threads=2), 5), entry(replace(ONE, runtime="openvino"), 7),
    ]

    assert most_promising(entries, WISH) == [ONE.id, other.id]
    assert most_promising(entries, replace(WISH, refine=9)) == [ONE.id, other.id, "a@1-openvino-t1-w1"]


def test_a_short_matrix_names_what_would_try_the_other_axes(toys: Path) -> None:
    contenders, short = find_contenders(toys / "models", ["a"]), replace(WISH, refine=0)

    assert "--refine tries them of the best one" in left_out(contenders, short)[-1]
    for asked in (WISH, replace(short, workers=(1, 2))):
        assert not any("--refine" in sentence for sentence in left_out(contenders, asked))


def test_more_may_be_refined_later_and_never_fewer(toys: Path, opened: Opened, tmp_path: Path) -> None:
    asked = replace(WISH, root=str(toys / "models"), body="raw")
    folder = opened(tmp_path / "weigh", asked)
    folder.refine([ONE.id], refined(ONE, asked, beside=1))

    again = opened(tmp_path / "weigh", replace(asked, refine=3))
    assert (again.refined, again.refined_for, again.wish.refine) == ([ONE.id], 2, 3)
    assert list(again.configurations)[-2:] == refined(ONE, asked, beside=1)
    again.refine([ONE.id, "b@1-onnxruntime-t1-w1"], refined(ONE, asked, beside=1))
    assert (again.refined, len(again.configurations)) == ([ONE.id, "b@1-onnxruntime-t1-w1"], 4)
    with pytest.raises(RunError, match="was begun with --refine 3; give as many or more"):
        opened(tmp_path / "weigh", asked)


@pytest.mark.slow
def test_the_best_of_the_first_pass_gets_every_axis_and_all_share_the_second(
    toys: Path, opened: Opened, hurried: Callable[..., AbstractContextManager[Server]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Wish(slo="p90=300ms", min_accuracy=0.9, rate=60.0, root=str(toys / "models"), body="raw", screening=True,
                 refine=1)
    contenders = find_contenders(toys / "models")
    turns: list[tuple[int, str]] = []
    done = DecisionFolder.finish

    def finished(self: DecisionFolder, one: Configuration, number: int, **facts: Any) -> None:
        turns.append((number, one.id))
        done(self, one, number, **facts)
        if len(turns) == 3:  # the first of the refined ones is over
            raise KeyboardInterrupt

    monkeypatch.setattr(DecisionFolder, "finish", finished)
    monkeypatch.setattr(measure, "SHARES", {})  # and whatever else is measured beside capacities
    monkeypatch.setattr(measure._Round, "_look_for_a_cache", lambda *_: None)
    with hurried() as server:
        with pytest.raises(KeyboardInterrupt):
            measure.measure_all(opened(tmp_path / "weigh", asked), contenders, Screenless(), server)
        assert measure.measure_all(opened(tmp_path / "weigh", asked), contenders, Screenless(), server) == {}

    folder = DecisionFolder(tmp_path / "weigh")
    folder.note(finished="2026-01-01T00:01:00Z")
    result = finish(folder, Console(quiet=True))
    (best,) = folder.refined
    model = best.split("-")[0]
    assert best in ("a@1-onnxruntime-t1-w1", "b@1-onnxruntime-t1-w1")
    more = {f"{best}-b1", f"{best}-b32-2ms"}
    assert {one for number, one in turns[:2] if number == 1} == {"a@1-onnxruntime-t1-w1", "b@1-onnxruntime-t1-w1"}
    assert {one for number, one in turns[2:4] if number == 1} == more
    assert sorted(turns[4:]) == sorted((2, one.id) for one in folder.configurations)
    assert result["refined"] == [best]
    assert len([each for each in result["configurations"] if each["capacity"]]) == 4
    assert f"Every axis for {model.split('@')[0]}: the best after the first pass." in page(result)


class Screenless:
    """A screen that shows nothing."""

    def step(self, title: str, seconds: float) -> Callable[[dict[str, float]], None]:
        del title, seconds
        return lambda said: None
