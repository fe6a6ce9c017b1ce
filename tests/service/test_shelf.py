"""The shelf believes no artifact before it is checked, and no artifact can spoil another."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from toy import write_toy

from service.card import CARD_FILE, read_card, sha256_of, write_card
from service.problems import Problem
from service.settings import Settings
from service.shelf import Entry, Shelf


def shelf_of(*roots: Path, default_model: str = "") -> Shelf:
    shelf = Shelf(Settings(models=roots, default_model=default_model))
    shelf.load()
    return shelf


def entry_of(shelf: Shelf, wanted: str) -> Entry:
    return next(entry for entry in shelf if entry.id == wanted)


def rewrite_golden(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Change the golden vectors and make the card's hash agree, as a wrong export would."""
    card = read_card(folder)
    data = dict(np.load(folder / card.golden.path))
    change(data)
    buffer = io.BytesIO()
    np.savez(buffer, **data)
    (folder / card.golden.path).write_bytes(buffer.getvalue())
    golden = card.golden.model_copy(update={"sha256": sha256_of(folder / card.golden.path)})
    write_card(folder, card.model_copy(update={"golden": golden}))


def truncate_graph(folder: Path) -> None:
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-10])


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[100] ^= 1
    (folder / "model.onnx").write_bytes(bytes(data))


def bless_garbage(folder: Path) -> None:
    """A graph that is none, with the right size and hash on the card."""
    (folder / "model.onnx").write_bytes(b"garbage")
    card = read_card(folder)
    file = card.files[0].model_copy(update={"size_bytes": 7, "sha256": sha256_of(folder / "model.onnx")})
    write_card(folder, card.model_copy(update={"files": (file,)}))


def drift(data: dict[str, np.ndarray]) -> None:
    data["probabilities"] = data["probabilities"][:, ::-1]


def turn_to_nan(data: dict[str, np.ndarray]) -> None:
    data["probabilities"] = data["probabilities"] * np.nan


def lose_a_class(data: dict[str, np.ndarray]) -> None:
    data["probabilities"] = data["probabilities"][:, :1]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate_graph, "bytes, its card says"),
        (flip_a_bit, "has SHA-256"),
        (bless_garbage, "Protobuf|protobuf|parsing|ModelProto"),
        (lambda folder: (folder / "golden.npz").unlink(), "golden.npz is missing"),
        (lambda folder: (folder / CARD_FILE).unlink(), "no card.json; the export was not finished"),
        (lambda folder: (folder / CARD_FILE).write_text("{"), "unreadable"),
        (lambda folder: (folder / CARD_FILE).write_text(json.dumps({"schema_version": 9})), "schema_version is 9"),
        (lambda folder: rewrite_golden(folder, drift), "golden vectors differ by"),
        (lambda folder: rewrite_golden(folder, turn_to_nan), "golden vectors differ by nan"),
        (lambda folder: rewrite_golden(folder, lose_a_class), "golden vectors are"),
    ],
)
def test_a_damaged_version_is_not_served_says_why_and_spoils_no_other(
    tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    import re

    write_toy(tmp_path)
    damage(write_toy(tmp_path, version=2))

    shelf = shelf_of(tmp_path)

    broken = entry_of(shelf, "toy@2")
    assert broken.state == "failed"
    assert re.search(reason, broken.reason or "")
    assert shelf.find("toy").id == "toy@1"  # the newest one that is ready
    with pytest.raises(Problem) as caught:
        shelf.find("toy@2")
    assert caught.value.slug == "not-ready"


def test_names_default_to_fm_fast_and_else_to_the_first(tmp_path: Path) -> None:
    write_toy(tmp_path / "a", "zebra")
    write_toy(tmp_path / "a", "ape")
    write_toy(tmp_path / "b", "fm-fast")

    assert shelf_of(tmp_path / "a").find(None).id == "ape@1"
    assert shelf_of(tmp_path / "a", tmp_path / "b").find(None).id == "fm-fast@1"
    assert shelf_of(tmp_path / "a", default_model="zebra").find(None).id == "zebra@1"


def test_the_first_root_that_has_a_version_wins(tmp_path: Path) -> None:
    first = write_toy(tmp_path / "a")
    write_toy(tmp_path / "b")

    (entry,) = shelf_of(tmp_path / "a", tmp_path / "b")

    assert entry.folder == first


def test_a_root_that_has_no_model_left_unloads_none_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = write_toy(tmp_path / "a"), write_toy(tmp_path / "b")
    write_toy(tmp_path / "a", version=2)
    shelf = shelf_of(tmp_path / "a", tmp_path / "b")

    (tmp_path / "a").rename(tmp_path / "aside")
    (tmp_path / "a").mkdir()  # where a disk was mounted
    shelf.refresh()
    shelf.refresh()
    assert [(entry.id, entry.state, entry.folder) for entry in shelf] == [
        ("toy@1", "ready", one), ("toy@2", "ready", tmp_path / "a" / "toy" / "2")
    ]
    assert caplog.text.count(f"the model root {tmp_path / 'a'} is away") == 1

    (tmp_path / "a").rmdir()
    (tmp_path / "aside").rename(tmp_path / "a")
    (tmp_path / "a" / "toy" / "2").rename(tmp_path / "elsewhere")
    shelf.refresh()
    assert [entry.folder for entry in shelf] == [one]
    assert other.is_dir()


def test_a_root_without_a_model_is_named_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_toy(tmp_path / "a")
    (tmp_path / "b").mkdir()

    shelf_of(tmp_path / "a", tmp_path / "b", tmp_path / "c")

    assert f"no model under {tmp_path / 'b'}\n" in caplog.text
    assert f"no model under {tmp_path / 'c'}, which does not exist" in caplog.text
    assert f"no model under {tmp_path / 'a'}" not in caplog.text


def test_folders_that_are_no_models_are_left_alone(tmp_path: Path) -> None:
    write_toy(tmp_path)
    for other in ("splits/1", "toy/drafts", "toy/01", ".hidden/1"):
        (tmp_path / other).mkdir(parents=True)

    assert [entry.id for entry in shelf_of(tmp_path)] == ["toy@1"]


def test_an_empty_shelf_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="WEIGHBRIDGE_MODELS names the roots") as caught:
        shelf_of(tmp_path).find(None)

    assert caught.value.slug == "not-ready"


def test_a_shelf_still_loading_asks_to_come_back(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="still being loaded") as caught:
        Shelf(Settings(models=(tmp_path,))).find("toy")

    assert (caught.value.slug, caught.value.headers) == ("not-ready", {"Retry-After": "1"})


def test_cuda_that_cannot_be_had_is_a_reason_and_not_a_silent_cpu(tmp_path: Path) -> None:
    write_toy(tmp_path)
    shelf = Shelf(Settings(models=(tmp_path,), device="cuda"))

    shelf.load()

    (entry,) = shelf
    if entry.state == "ready":
        pytest.skip("this machine has CUDA")
    assert "CUDA" in (entry.reason or "")
