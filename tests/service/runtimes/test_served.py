"""Optional runtimes are served over HTTP as any other: the same answers, by name, from a real server process."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from process import running
from toy import probabilities, write_toy

from service.card import ModelFile, read_card, sha256_of, write_card
from service.runtimes import RuntimeUnavailable, inductor
from service.runtimes.inductor import open_model

ROOT = Path(__file__).parents[3]
OPENVINO = ROOT / ".venv-openvino" / "bin" / "python"
PIXELS = np.random.default_rng(5).integers(0, 256, (4, 4, 1), dtype=np.uint8)


def asked(url: str, runtime: str) -> dict[str, Any]:
    picture = io.BytesIO()
    Image.fromarray(PIXELS[..., 0]).save(picture, "png")
    answer = httpx.post(f"{url}/predict?model=toy&runtime={runtime}&top_k=1", content=picture.getvalue(),
                        headers={"Content-Type": "image/png"}, timeout=600)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.skipif(not OPENVINO.exists(), reason=".venv-openvino is not here; docs/runtimes.md says how to make it")
def test_openvino_is_served_by_the_environment_that_has_it(tmp_path: Path) -> None:
    write_toy(tmp_path / "models")

    with running(tmp_path / "models", tmp_path / "home", python=OPENVINO) as server:
        told = asked(server.url, "openvino")

    assert told["runtime"] == "openvino"
    assert told["predictions"][0]["probability"] == pytest.approx(probabilities(PIXELS[None]).max(), abs=1e-6)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A toy artifact with its graph as a torch.export archive."""
    torch = pytest.importorskip("torch")

    class Toy(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, image: Any) -> Any:
            bright = image.float().mean(dim=(1, 2, 3)) * (8 / 255) - 4
            return torch.softmax(torch.stack([torch.zeros_like(bright), bright], dim=1), dim=1)

    folder = write_toy(tmp_path / "models")
    program = torch.export.export(Toy(), (torch.zeros(2, 4, 4, 1, dtype=torch.uint8),),
                                  dynamic_shapes={"image": {0: torch.export.Dim("batch")}})
    torch.export.save(program, folder / "model.pt2")
    card = read_card(folder)
    size, digest = (folder / "model.pt2").stat().st_size, sha256_of(folder / "model.pt2")
    write_card(folder, card.model_copy(update={
        "files": (*card.files, ModelFile(format="pt2", path="model.pt2", size_bytes=size, sha256=digest))}))
    return folder


@pytest.mark.skipif(not os.environ.get("WEIGHBRIDGE_TEST_COMPILERS"), reason="compiling takes half a minute of a core; "
                    "WEIGHBRIDGE_TEST_COMPILERS=1 tries it")
def test_an_archive_is_compiled_once_where_it_is_served_and_answers_as_the_graph_does_at_every_batch_size(
    exported: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    cache = home / ".cache" / "weighbridge" / "inductor"

    with running(tmp_path / "models", tmp_path / "bento", HOME=str(home), WEIGHBRIDGE_TIMEOUT_S="600") as server:
        told = asked(server.url, "aotinductor")

    assert told["runtime"] == "aotinductor"
    assert told["predictions"][0]["probability"] == pytest.approx(probabilities(PIXELS[None]).max(), abs=1e-6)
    assert cache.stat().st_mode & 0o077 == 0  # it holds code that will be executed
    (compiled,) = cache.glob("*.pt2")
    written = compiled.stat().st_mtime_ns

    run = open_model(exported / "model.pt2", device="cpu", threads=1, cache=cache)

    assert [(path, path.stat().st_mtime_ns) for path in cache.glob("*.pt2")] == [(compiled, written)]
    for batch in (1, 2, 7, 32):
        images = np.random.default_rng(batch).integers(0, 256, (batch, 4, 4, 1), dtype=np.uint8)
        np.testing.assert_allclose(run(images), probabilities(images), atol=1e-6)


def test_what_cannot_be_compiled_is_told_with_the_cure(exported: Path, tmp_path: Path) -> None:
    (exported / "model.pt2").write_bytes(b"no archive")

    with pytest.raises(RuntimeUnavailable, match=r"could not compile model\.pt2: .* it needs a C\+\+ compiler"):
        open_model(exported / "model.pt2", device="cpu", threads=1, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").glob("**/*.pt2")) == []


def test_compiled_code_is_taken_for_the_same_graph_and_as_many_threads_and_for_nothing_else(
    exported: Path, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    one, two = (inductor.key(exported / "model.pt2", torch, threads) for threads in (1, 2))
    other = tmp_path / "other.pt2"
    other.write_bytes((exported / "model.pt2").read_bytes() + b"x")

    assert len({one, two, inductor.key(other, torch, 1)}) == 3
    assert torch.__version__ in one
