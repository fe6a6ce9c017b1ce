"""The roofline: what is counted agrees with cards and hand counts, and a result becomes table, picture and page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from toy import write_toy

from benchmarks import readme
from benchmarks.__main__ import main
from benchmarks.comparison.run import RunError
from benchmarks.decision import page
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.report.quantised import int8_table
from benchmarks.roofline import peaks
from benchmarks.roofline.count import CountError, count
from benchmarks.roofline.picture import draw
from benchmarks.roofline.result import publish, published_for
from benchmarks.roofline.words import table
from service.card import read_card

CARDS = sorted(readme.MODELS.glob("*/*/card.json"))


@pytest.mark.parametrize("card", CARDS, ids=[card.parent.parent.name for card in CARDS])
def test_two_operations_are_counted_for_each_of_the_cards_multiply_accumulates(card: Path) -> None:
    known = read_card(card.parent)
    file = known.file("onnx")
    assert file is not None
    assert known.macs is not None

    work = count(card.parent / file.path, batch=3)

    # PyTorch's counter knows no products of attention that it runs as one kernel.
    assert work.ops >= 3 * 2 * known.macs
    assert work.ops <= 3 * 2 * known.macs * 1.25
    assert work.int8_ops == 0


def saved(path: Path, nodes: Sequence[Any], weights: Sequence[Any]) -> Path:
    graph = helper.make_graph(
        nodes, "hand", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 8, 8])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def test_a_convolution_is_counted_by_hand_with_its_bytes(tmp_path: Path) -> None:
    weights = onnx.numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    path = saved(tmp_path / "m.onnx", [helper.make_node("Conv", ["image", "w"], ["c"], pads=[1, 1, 1, 1]),
                                       helper.make_node("Relu", ["c"], ["y"])], [weights])

    work = count(path, batch=2)

    assert (work.float32_ops, work.int8_ops) == (2 * (2 * 4 * 64) * 27, 0)
    assert work.moved_bytes == 4 * (2 * 3 * 64 + 4 * 27 + 2 * 4 * 64)
    assert work.other_ops == 2 * 4 * 64


def test_what_comes_out_of_dequantisers_is_int8_and_moves_bytes_of_one(tmp_path: Path) -> None:
    weights = [onnx.numpy_helper.from_array(np.ones((4, 3, 3, 3), np.int8), "w8"),
               onnx.numpy_helper.from_array(np.float32(0.1), "s"), onnx.numpy_helper.from_array(np.uint8(0), "z"),
               onnx.numpy_helper.from_array(np.int8(0), "z8")]
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["x"]),
        helper.make_node("DequantizeLinear", ["w8", "s", "z8"], ["w"]),
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "s", "z"], ["y"]),
    ]

    work = count(saved(tmp_path / "m.onnx", nodes, weights), batch=1)

    assert (work.float32_ops, work.int8_ops) == (0, 2 * 4 * 64 * 27)
    assert work.moved_bytes == 3 * 64 + 4 * 27 + 4 * 64


def test_a_graph_without_a_product_has_no_place_on_a_roofline(tmp_path: Path) -> None:
    with pytest.raises(CountError, match="no convolution and no matrix product"):
        count(write_toy(tmp_path) / "model.onnx", batch=1)


def test_the_command_measures_shows_and_stores_every_model_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peaks, "SIDES", (64,))
    monkeypatch.setattr(peaks, "COPIES", (2**14, 2**16))
    root = tmp_path / "models"
    write_toy(root)
    (root / "fm000-linear").symlink_to(readme.MODELS / "fm000-linear")
    wanted = ["roofline", "--root", str(root), "--output", str(tmp_path / "run"), "--runtimes", "onnxruntime",
              "--threads", "1", "2", "--batches", "1", "4", "--rounds", "6"]

    assert main(wanted) == 1  # the toy was left out

    result = json.loads((tmp_path / "run" / "roofline.json").read_text())
    assert {(row["model"], row["threads"], row["batch"]) for row in result["rows"]} == {
        ("fm000-linear@1", threads, batch) for threads in (1, 2) for batch in (1, 4)}
    assert all(row["share"]["low"] <= row["share"]["at"] <= row["share"]["high"] for row in result["rows"])
    assert all(row["float32_ops"] == 2 * 7940 * row["batch"] for row in result["rows"])
    assert {each["model"] for each in result["left_out"]} == {"toy@1"}
    assert result["machine"]["cpu"]
    assert "Left out: toy@1" in " ".join(capsys.readouterr().out.split())
    assert ElementTree.parse(tmp_path / "run" / "roofline.svg").getroot().tag.endswith("svg")


def by_hand() -> dict[str, Any]:
    row = {"runtime": "onnxruntime", "threads": 1, "float32_ops": 2_000_000, "int8_ops": 0, "intensity": 20.0,
           "us": 50.0, "gops": 40.0, "share": {"at": 0.5, "low": 0.4, "high": 0.6}, "bound": "arithmetic"}
    return {
        "created": "2026-01-02T03:04:05Z", "command": "python -m benchmarks roofline", "machine": fingerprint(),
        "peaks": [{"threads": 1, "float32_gops": 80.0, "int8_gops": 300.0, "copy_gbytes": {"32768": 60.0}}],
        "rows": [row | {"model": "a@1", "batch": 1}, row | {"model": "a@1", "batch": 32, "float32_ops": 64_000_000}],
        "left_out": [], "restless": 1.1,
    }


def test_a_published_result_is_in_the_documents_in_a_picture_and_on_the_page_of_a_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = by_hand()
    publish(result, tmp_path)

    assert "| a | onnxruntime | 1 | 32 | 2 M | 20.0 | 1.6 µs | 40.0 | 50% [40%, 60%] | arithmetic |" in table(result)
    assert table(result) in readme.roofline(tmp_path)
    assert "not measured" in readme.roofline(tmp_path / "empty").lower()
    assert (drawn := draw(result)) is not None
    assert "a, 32" in drawn
    monkeypatch.setattr(page, "published_for", lambda machine: published_for(machine, tmp_path))
    shown = str(page.limit({"machine": fingerprint(), "configurations": [{"model": "a@1"}]}))
    assert "50% [40%, 60%]" in shown
    assert page.limit({"machine": fingerprint(), "configurations": [{"model": "other@1"}]}) is None
    assert page.limit({"machine": fingerprint() | {"cpu": "another"}, "configurations": [{"model": "a@1"}]}) is None


def test_a_restless_machine_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the slowest tenth of a matrix product took 1\.90 of the quickest"):
        publish(by_hand() | {"restless": 1.9}, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_the_table_of_int8_shows_gains_and_refusals_alike(tmp_path: Path) -> None:
    ratio = {"at": 0.5, "low": 0.45, "high": 0.55, "rounds": 40}
    accuracy = {"images": 5000, "difference": -0.0004, "low": -0.0022, "high": 0.0014}
    speed = [{"batch": batch, "float32_us": 300.0, "int8": ratio, "control": ratio} for batch in (1, 16)]
    refused = "accuracy goes from 90.00% to 80.00% on 5,000 held-out images (…)"
    tried = [{"plan": "products but the first", "size_bytes": 250_000, "accuracy": accuracy, "speed": speed,
              "refused": None},
             {"plan": "everything", "size_bytes": 240_000, "accuracy": accuracy, "speed": [], "refused": refused}]
    record = {"model": "a@1", "chosen": "products but the first", "tried": tried, "float32_bytes": 850_000,
              "held_out": 5000, "machine": {"cpu": "A CPU", "cores": 2, "flags": ["avx512_vnni"]},
              "made_by": {"date": "2026-01-02T00:00:00Z", "versions": {"onnxruntime-gpu": "1.2"}}}

    told = int8_table([record])

    assert ("| a | products but the first | -0.04 [-0.22, +0.14] | 0.50 [0.45, 0.55] | 0.50 [0.45, 0.55], 16 images | "
            "250 of 850 kB | **served** |") in told
    assert "| – | – | 240 of 850 kB | refused: accuracy goes from 90.00% to 80.00% |" in told
    assert "A CPU, 2 cores (avx512_vnni), ONNX Runtime 1.2, 2026-01-02" in told
    assert "Nothing is recorded yet" in readme.quantised(tmp_path)
