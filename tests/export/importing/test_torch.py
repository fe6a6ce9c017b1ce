"""Networks of PyTorch: TorchScript, and architectures with weights from a local file. Each is held against itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from export.golden import clouds
from export.importing.asked import Asked, ImportRefusedError
from export.importing.foreign import understand
from export.importing.publish import publish
from export.importing.torch_file import read_weights
from service.runtimes import open_model

SOURCE = """
from torch import nn
def build(image, classes):
    return nn.Sequential(nn.Conv2d(image[0], 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, classes))
def text(image, classes):
    return "no network"
def narrow(image):
    return build(image, 3)
def broken(image, classes):
    return {}[image]
class Guarded(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = build((1, 6, 6), 3)
    def forward(self, x):
        return self.layers(x / 2 if x.abs().max() > 1e4 else x)
def guarded(image, classes):
    return Guarded()
"""


@pytest.fixture
def network() -> nn.Module:
    space: dict = {}
    exec(SOURCE, space)
    torch.manual_seed(0)
    made: nn.Module = space["build"]((1, 6, 6), 3)
    made(torch.rand(20, 1, 6, 6))  # batch statistics that are not the initial ones
    return made.eval()


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    (tmp_path / "foreign_net.py").write_text(SOURCE)
    (tmp_path / "foreign_wrong.py").write_text("nothing")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "classes.txt").write_text("a\nb\nc")
    return Asked(source="foreign_net:build", classes=tmp_path / "classes.txt", size=(6, 6), channels=1,
                 normalize="signed", to=tmp_path / "models", weights=tmp_path / "weights.pt")


def expected(network: nn.Module) -> np.ndarray:
    images = torch.tensor(clouds(5, (6, 6, 1))).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        return network(images).softmax(dim=1).numpy()


def safetensors(network: nn.Module, path: Path) -> None:
    """As the format's description says: length, JSON, numbers."""
    head, data = {"__metadata__": {"format": "pt"}}, b""
    for name, value in network.state_dict().items():
        raw = value.numpy().tobytes()
        kind = {torch.float32: "F32", torch.int64: "I64"}[value.dtype]
        head[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_torchscript_is_served_as_it_answers(network: nn.Module, asked: Asked, tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match=r"torch\.jit"):
        torch.jit.save(torch.jit.script(network), tmp_path / "script.pt")
    asked = replace(asked, source=str(tmp_path / "script.pt"), channels=None, weights=None)

    done = publish(understand(asked), asked)

    assert (done.card.architecture, done.card.training["batches"]) == ("torchscript", "together")
    found = open_model("onnxruntime", done.folder / "model.onnx")(clouds(5, (6, 6, 1)))
    assert np.abs(found - expected(network)).max() < 1e-5


@pytest.mark.parametrize("form", ["state dict", "checkpoint", "parallel", "safetensors"])
def test_a_function_of_the_users_is_served_with_weights_in_each_form(
    network: nn.Module, asked: Asked, tmp_path: Path, form: str
) -> None:
    state = network.state_dict()
    if form == "safetensors":
        asked = replace(asked, weights=tmp_path / "weights.safetensors")
        safetensors(network, asked.weights)
    else:
        torch.save({"state dict": state, "checkpoint": {"epoch": 3, "state_dict": state},
                    "parallel": {f"module.{name}": value for name, value in state.items()}}[form], asked.weights)
    for name, value in read_weights(asked.weights).items():
        assert torch.equal(value, state[name])
    if form != "state dict":
        return  # the same path from here on, which takes its time

    done = publish(understand(asked), asked)

    found = open_model("onnxruntime", done.folder / "model.onnx")(clouds(5, (6, 6, 1)))
    assert np.abs(found - expected(network)).max() < 1e-5
    assert done.card.architecture == "foreign_net:build"


def test_an_architecture_of_torchvision_takes_local_weights_and_says_which_do_not_fit(
    asked: Asked, tmp_path: Path
) -> None:
    from torchvision import models

    torch.manual_seed(0)
    torch.save(models.squeezenet1_1(num_classes=3).state_dict(), asked.weights)
    asked = replace(asked, source="torchvision:squeezenet1_1", channels=None, size=(32, 32), scores="logits")

    foreign = understand(asked)

    assert (foreign.signature.spec.shape, foreign.kind) == ((32, 32, 3), "torchvision:squeezenet1_1")
    asked.classes.write_text("a\nb\nc\nd")
    with pytest.raises(ImportRefusedError, match="does not fit torchvision:squeezenet1_1 with as many classes"):
        understand(asked)


class Attacker:
    def __reduce__(self):
        return (print, ("a program ran",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": None}, "say --size"),
        ({"weights": None}, "is an architecture; say --weights"),
        ({"source": "foreign_net:text"}, "returned str, and not a torch.nn.Module"),
        ({"source": "foreign_net:gone"}, "gone"),
        ({"source": "foreign_net:narrow"}, r"raised TypeError: narrow\(\) takes 1 .*here narrow\(\(1, 6, 6\), 3\)"),
        ({"source": "foreign_net:broken"}, r"raised KeyError: \(1, 6, 6\); it is called as broken\(\(channels"),
        ({"source": "foreign_wrong:build"}, "foreign_wrong cannot be imported: NameError: name 'nothing' is not defi"),
        ({"source": "no_such_module_here:build"}, "Python finds no module"),
        ({"source": "torchvision:no_such_network"}, "torchvision: "),
        ({"size": (7, 1)}, r"does not take \(2, 1, 7, 1\) images"),
        ({"layout": "NHWC"}, "networks of PyTorch take NCHW"),
    ],
)
def test_what_does_not_make_a_network_is_refused(
    network: nn.Module, asked: Asked, options: dict, message: str
) -> None:
    torch.save(network.state_dict(), asked.weights)

    with pytest.raises(ImportRefusedError, match=message):
        understand(replace(asked, **options))


def test_what_the_exporter_stumbled_over_is_told(asked: Asked) -> None:
    space: dict = {}
    exec(SOURCE, space)
    torch.save(space["guarded"]((1, 6, 6), 3).state_dict(), asked.weights)

    with pytest.raises(ImportRefusedError, match=r"cannot be exported to ONNX: .*data-dependent expression"):
        understand(replace(asked, source="foreign_net:guarded"))


def test_a_pickle_is_never_run(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(Attacker(), asked.weights)

    with pytest.raises(ImportRefusedError, match=r"save only the weights: torch\.save\(network"):
        understand(asked)
    with pytest.raises(ImportRefusedError, match=r"no TorchScript file .*timm:NAME or module:function"):
        understand(replace(asked, source=str(asked.weights)))

    assert "a program ran" not in capsys.readouterr().out


def test_a_cut_safetensors_file_is_told(network: nn.Module, asked: Asked, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors(network, path)
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(ImportRefusedError, match="no whole safetensors file"):
        read_weights(path)


def test_timm_is_asked_for_by_name_where_it_is_absent(asked: Asked) -> None:
    try:
        import timm  # noqa: F401
    except ImportError:
        with pytest.raises(ImportRefusedError, match="timm is not installed"):
            understand(replace(asked, source="timm:resnet10t"))
    else:
        pytest.skip("timm is installed")
