from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.parity import BATCHES, ParityError, check_parity, count_disagreements
from export.to_onnx import OPSET, to_onnx
from export.to_torch import to_exported, to_torchscript
from export.wrapped import Wrapped
from service.runtimes import open_model

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 6, 5, 3), dtype=np.uint8)
MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)


@pytest.fixture
def module() -> Wrapped:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 4 * 3, 4))
    return Wrapped(network, MEAN, STD).eval()


def example() -> torch.Tensor:
    return torch.from_numpy(IMAGES[:2])


def eager(module: Wrapped):
    def forward(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(images.copy())).numpy()

    return forward


def test_normalisation_is_what_torchvision_would_do(module: Wrapped) -> None:
    from torchvision.transforms import functional

    expected = torch.stack(
        [functional.normalize(functional.to_tensor(image), MEAN, STD) for image in IMAGES[:4]]
    )

    found = torch.from_numpy(IMAGES[:4]).permute(0, 3, 1, 2).float() * module.scale + module.shift

    torch.testing.assert_close(found, expected)


def test_an_onnx_file_is_one_file_with_a_dynamic_batch_and_its_story_inside(module: Wrapped, tmp_path: Path) -> None:
    to_onnx(module, example(), tmp_path / "model.onnx", {"name": "toy", "classes": "a\nb"})

    model = onnx.load(tmp_path / "model.onnx")

    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == OPSET
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert {entry.key: entry.value for entry in model.metadata_props} == {"name": "toy", "classes": "a\nb"}
    assert str(Path.cwd()) not in model.SerializeToString().decode("latin-1")


@pytest.mark.parametrize("size", [1, 2, 3, 17, 64])
def test_every_batch_size_gives_rows_that_are_probabilities(module: Wrapped, tmp_path: Path, size: int) -> None:
    to_onnx(module, example(), tmp_path / "model.onnx", {})

    answers = open_model("onnxruntime", tmp_path / "model.onnx")(IMAGES[:size])

    assert answers.shape == (size, 4)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("write", [lambda *a: to_onnx(*a, {}), to_torchscript, to_exported])
def test_a_module_in_train_mode_is_refused_by_every_exporter(module: Wrapped, tmp_path: Path, write) -> None:
    module.network[2].train()  # one forgotten dropout is enough

    with pytest.raises(ValueError, match=r"train mode.*network\.2.*\.eval\(\)"):
        write(module, example(), tmp_path / "model")

    assert list(tmp_path.iterdir()) == []


def write(kind: str, module: Wrapped, path: Path) -> None:
    if kind == "onnx":
        to_onnx(module, example(), path, {})
    elif kind == "torchscript":
        to_torchscript(module, example(), path)
    else:
        to_exported(module, example(), path)


FORMATS = [("onnx", "onnxruntime"), ("torchscript", "torchscript"), ("pt2", "torchexport")]


@pytest.mark.parametrize(("kind", "runtime"), FORMATS)
def test_every_format_agrees_with_eager_through_its_runtime(module, tmp_path, kind, runtime) -> None:
    path = tmp_path / f"model.{kind}"
    write(kind, module, path)

    parity = check_parity(eager(module), path, format=kind, runtime=runtime, images=IMAGES)

    assert parity.max_abs_diff <= parity.tolerance
    assert parity.images == sum(BATCHES) + 2


@pytest.mark.parametrize(("kind", "runtime"), FORMATS)
def test_parity_fails_with_the_amount_when_the_weights_are_not_the_same(module, tmp_path, kind, runtime) -> None:
    path = tmp_path / f"model.{kind}"
    write(kind, module, path)
    with torch.no_grad():
        module.network[4].bias[0] += 0.01

    with pytest.raises(ParityError, match=r"differ from eager by up to \d\.\d+e-0\d \(allowed 1e-05\)"):
        check_parity(eager(module), path, format=kind, runtime=runtime, images=IMAGES)


def test_the_top_class_may_differ_only_where_eager_was_unsure() -> None:
    expected = np.array([[0.50001, 0.49999], [0.6, 0.4]], dtype=np.float32)

    assert count_disagreements(expected, expected[:, ::-1]) == 1
