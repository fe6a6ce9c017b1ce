"""The CPU beside a GPU: blocks in turns, ratios to one CPU thread, and a table that says what is not in it and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import probabilities, write_toy

from benchmarks import readme
from benchmarks.__main__ import main
from benchmarks.comparison.contenders import find_contenders
from benchmarks.comparison.run import RunError
from benchmarks.devices import measure as measuring
from benchmarks.devices import ways as known
from benchmarks.devices.measure import measure, take_blocks
from benchmarks.devices.result import PUBLISHED, as_result, publish, summaries, unsteadiness, with_ratios
from benchmarks.devices.words import caption, table
from benchmarks.machine.fingerprint import fingerprint
from service.runtimes import RuntimeUnavailable

WITHOUT_GPU = "no NVIDIA GPU is here"


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "gpu_here", lambda: False)


class OnCuda:
    """The toy, as if on a GPU, which has no room for more than eight images."""

    version, device, threads = "1.2", "cuda", 1

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, images: Any) -> Any:
        if len(images) > 8:
            raise MemoryError("8 images fit")
        return probabilities(images)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU on which everything opens but graphs."""
    real = known.open_model

    def opened(runtime: str, path: Path, *, device: str, threads: int) -> Any:
        if runtime == "onnxruntime-graphs":
            raise RuntimeUnavailable("cannot capture")
        return OnCuda(runtime) if device == "cuda" else real(runtime, path, device=device, threads=threads)

    monkeypatch.setattr(known, "gpu_here", lambda: True)
    monkeypatch.setattr(known, "missing", lambda _: None)
    monkeypatch.setattr(known, "open_model", opened)


def test_every_round_has_one_block_of_each_in_an_order_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "BLOCK_S", 60.0)
    order: list[str] = []

    taken = take_blocks({name: lambda name=name: order.append(name) for name in "ab"}, rounds=8)

    blocks = [order[at:at + measuring.BLOCK_CALLS] for at in range(0, len(order), measuring.BLOCK_CALLS)]
    assert all(len(set(block)) == 1 for block in blocks)
    rounds = ["".join(one[0] + other[0]) for one, other in zip(blocks[::2], blocks[1::2], strict=True)]
    assert set(rounds) == {"ab", "ba"}
    assert {name: len(seconds) for name, seconds in taken.items()} == dict.fromkeys("ab", 8 * measuring.BLOCK_CALLS)


def test_a_slow_way_makes_one_call_in_a_block_and_never_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "BLOCK_S", 0.0)

    assert len(take_blocks({"slow": lambda: None}, rounds=3)["slow"]) == 3


def test_ratios_are_those_of_medians_to_one_thread_of_the_cpu() -> None:
    found = summaries({"cpu": np.array([1e-3, 2e-3, 9e-3]), "cuda": np.array([5e-4, 5e-4])})

    assert found["cpu"] == {"calls": 3, "p50_us": 2000.0, "p90_us": 7600.0, "p99_us": 8860.0, "ratio": 1.0}
    assert found["cuda"]["ratio"] == 0.25


@pytest.mark.usefixtures("no_gpu")
def test_the_command_times_the_cpu_alone_where_there_is_no_gpu_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy(tmp_path / "models")
    file = tmp_path / "new" / "devices.json"

    assert main(["devices", "toy", "--root", str(tmp_path / "models"), "--batches", "4", "1", "--rounds", "2",
                 "--threads", "2", "--output", str(file)]) == 0

    result = json.loads(file.read_text())
    assert [(row["model"], row["batch"]) for row in result["rows"]] == [("toy@1", 1), ("toy@1", 4)]
    assert all(set(row["times"]) == {"cpu", "cpu-control", "cpu-2-threads"} for row in result["rows"])
    assert all(one["calls"] >= 2 and one["p50_us"] <= one["p90_us"] <= one["p99_us"]
               for row in result["rows"] for one in row["times"].values())
    assert result["ways"]["cpu-2-threads"]["threads"] == 2
    assert {(each["way"], each["reason"]) for each in result["left_out"]} == {
        (name, WITHOUT_GPU) for name in ("cuda", "cuda-graphs", "torchscript-cuda")}
    assert result["machine"]["cpu"]
    assert len(result["files"]["toy@1"]["onnx"]) == 64
    said = " ".join(capsys.readouterr().out.split())
    assert f"Left out: cuda, cuda-graphs, torchscript-cuda of toy ({WITHOUT_GPU})." in said


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(("wrong", "told"), [
    (["--batches", "0"], "--batches from 1 to 4096"),
    (["--batches", "1", "5000"], "--batches from 1 to 4096"),
    (["--rounds", "0"], "--threads and --rounds are counts, from 1 on"),
    (["--threads", "-1"], "--threads and --rounds are counts, from 1 on"),
    (["nosuch"], "no model matches nosuch; there are toy"),
])
def test_a_mistake_is_told_before_anything_is_timed(
    wrong: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy(tmp_path)

    assert main(["devices", "--root", str(tmp_path), *wrong]) == 1

    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("no_gpu")
def test_a_file_that_cannot_be_read_leaves_the_others_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (write_toy(tmp_path, "broken") / "model.onnx").write_bytes(b"no graph")
    write_toy(tmp_path)

    found = measure(find_contenders(tmp_path), known.ways(1), batches=[1], rounds=1)

    assert [row["model"] for row in found["rows"]] == ["toy@1"]
    assert any(each["model"] == "broken@1" and each["way"] == "cpu" for each in found["left_out"])
    assert main(["devices", "broken", "--root", str(tmp_path), "--batches", "1", "--rounds", "1"]) == 1
    assert "nothing could be timed. Left out: cpu, cpu-control" in capsys.readouterr().err


@pytest.mark.usefixtures("pretended")
def test_a_gpu_is_timed_beside_the_cpu_as_far_as_it_goes(tmp_path: Path) -> None:
    write_toy(tmp_path)

    found = measure(find_contenders(tmp_path), known.ways(1), batches=[1, 32], rounds=1)

    assert [set(row["seconds"]) for row in found["rows"]] == [{"cpu", "cpu-control", "cuda"}, {"cpu", "cpu-control"}]
    assert found["ways"]["cuda"] == {"runtime": "onnxruntime", "version": "1.2", "device": "cuda", "threads": 1}
    assert {(each["way"], each["reason"]) for each in found["left_out"]} == {
        ("cuda-graphs", "cannot capture"), ("torchscript-cuda", "not exported as torchscript"),
        ("cuda", "at 32 images MemoryError: 8 images fit")}


def by_hand(**medians: float) -> dict[str, Any]:
    """A result of one row; the control's median may be given."""
    cpu = {"runtime": "onnxruntime", "version": "1.2", "device": "cpu", "threads": 1}
    gpu = cpu | {"device": "cuda"}
    found = {
        "ways": {"cpu": cpu, "cpu-control": cpu, "cuda": gpu,
                 "torchscript-cuda": gpu | {"runtime": "torchscript", "version": "3.4"}},
        "files": {}, "rows": [],
        "left_out": [{"model": f"{name}@1", "way": "torchscript-cuda", "reason": "not exported"} for name in "ab"],
    }
    result = as_result(found, machine=fingerprint(), gpu={"name": "NVIDIA T 1", "driver": "9.8"}, asked={},
                       command="python -m benchmarks devices")
    times = {"cpu": 2000.0, "cpu-control": 2100.0, "cuda": 50.0} | medians
    result["rows"] = [{"model": "a@1", "batch": 8, "times": with_ratios(
        {name: {"calls": 5, "p50_us": us, "p90_us": us, "p99_us": us} for name, us in times.items()})}]
    return result


def test_a_published_result_is_the_table_of_the_documents_with_its_machine_and_gpu(tmp_path: Path) -> None:
    result = by_hand()

    path = publish(result, tmp_path)

    assert path.name.endswith("-cores-nvidia-t-1.json")
    told = table(result)
    assert told.startswith("| Model | Batch | CPU, 1 thread | `onnxruntime`, CUDA | `torchscript`, CUDA |\n")
    assert "| a | 8 | 2,000 | 50 (0.025) | – |" in told
    assert "5 to 5 calls each" in told
    assert "differed by at most 5%" in told
    assert "NVIDIA T 1 (driver 9.8)" in told
    assert "ONNX Runtime 1.2, torch 3.4" in told
    assert "Left out: torchscript-cuda of a, b (not exported)." in told
    assert readme.devices(tmp_path) == told
    assert "not measured" in readme.devices(tmp_path / "empty").lower()


@pytest.mark.parametrize("control", [2400.0, 1600.0])
def test_where_the_cpu_differs_from_itself_nothing_is_published(control: float, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the CPU beside itself differed by a factor of 1\.2"):
        publish(by_hand(**{"cpu-control": control}), tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_without_a_gpu_that_ran_and_is_known_nothing_is_published(tmp_path: Path) -> None:
    result = by_hand()

    with pytest.raises(RunError, match="name is not known: nvidia-ml-py"):
        publish(result | {"gpu": {"unknown": "nvidia-ml-py is not installed"}}, tmp_path)
    with pytest.raises(RunError, match="nothing ran on a GPU"):
        publish(result | {"ways": {"cpu": result["ways"]["cpu"]}}, tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.json")), ids=lambda path: path.stem)
def test_a_committed_result_is_steady_and_its_ratios_are_its_medians(path: Path) -> None:
    result = json.loads(path.read_bytes())

    assert unsteadiness(result) <= 1.1
    assert all(with_ratios(row["times"]) == row["times"] for row in result["rows"])
    assert result["gpu"]["name"] in caption(result)
