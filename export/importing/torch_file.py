"""PyTorch networks from elsewhere as ONNX: a TorchScript file, or an architecture with weights from a local file.

    model.pt                   TorchScript, as torch.jit.save wrote it
    timm:resnet18              an architecture of timm, where that is installed
    torchvision:resnet18       an architecture of torchvision
    mynet:build                a function of the user's, called as build((channels, height, width), classes)

Weights are state dicts, read from safetensors or with torch.load(weights_only=True): a pickle is a program, and this
one came from elsewhere. Nothing is downloaded.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from export.importing.asked import Asked, ImportRefusedError
from export.importing.reference import Answers, Run
from export.reason import reason
from export.to_onnx import OPSET
from export.wrapped import refuse_train_mode
from training.own.network import called, pin

SUFFIXES = (".pt", ".pth", ".ts", ".torchscript", ".jit")
# As safetensors names the types of its numbers; bfloat16 has no name in numpy.
TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
         "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_}
WRAPPERS = ("state_dict", "model", "model_state_dict", "state_dict_ema")
INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Exported:
    """A network as ONNX, and itself: takes float32 (1, channels, height, width). `known` is its library's own
    normalisation, mean and std, where weights and classes are those that it was made for."""

    model: onnx.ModelProto
    run: Run
    kind: str
    known: tuple[tuple[float, ...], tuple[float, ...]] | None = None


def from_torchscript(path: Path, asked: Asked) -> Exported:
    """A TorchScript file. ImportRefusedError when it is none, or does not run on images of the size that was said."""
    if not path.is_file():
        raise ImportRefusedError(f"there is no file {path}")
    if asked.size is None:
        raise ImportRefusedError("TorchScript does not say what size its images have; say --size HEIGHTxWIDTH")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`?torch\.jit", category=DeprecationWarning)
        try:
            module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise ImportRefusedError(
                f"{path} is no TorchScript file ({str(error).strip().partition(chr(10))[0][:200]}); for a state dict, "
                f"say its architecture: torchvision:NAME, timm:NAME or module:function with --weights {path}"
            ) from error
    channels = asked.channels or _channels(module)
    if channels is None:
        raise ImportRefusedError("its first layer does not say how many channels images have; say --channels 1 or 3")
    return _exported(module, (channels, *asked.size), "torchscript", scripted=True)


def from_library(asked: Asked, classes: int) -> Exported:
    """`timm:NAME`, `torchvision:NAME` or `module:function`, with --weights. ImportRefusedError with the reason."""
    library, _, name = asked.source.partition(":")
    if asked.weights is None:
        raise ImportRefusedError(f"{asked.source} is an architecture; say --weights FILE (safetensors, or a state dict "
                                 "of torch.save). Nothing is downloaded")
    if library not in ("timm", "torchvision") and asked.size is None:
        raise ImportRefusedError(f"{asked.source} does not say what size its images have; say --size HEIGHTxWIDTH")
    build = {"timm": _timm, "torchvision": _torchvision}.get(library, _function)
    network, shape, known = build(name if library in ("timm", "torchvision") else asked.source, classes, asked)
    _load(network, asked.weights, asked.source)
    network.eval()
    refuse_train_mode(network)
    return _exported(network, shape, asked.source, scripted=False, known=known)


Built = tuple[nn.Module, tuple[int, int, int], tuple[tuple[float, ...], tuple[float, ...]] | None]


def _timm(name: str, classes: int, asked: Asked) -> Built:
    try:
        import timm  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ImportRefusedError("timm is not installed: .tools/bin/uv pip install --python .venv timm") from None
    try:
        network = timm.create_model(name, pretrained=False, num_classes=classes, in_chans=asked.channels or 3)
    except RuntimeError as error:
        raise ImportRefusedError(f"timm: {error}") from error
    facts = timm.data.resolve_model_data_config(network)
    channels, height, width = facts["input_size"]
    original = network.pretrained_cfg.get("num_classes") == classes and channels == 3
    size = asked.size or (height, width)
    return network, (channels, *size), (tuple(facts["mean"]), tuple(facts["std"])) if original else None


def _torchvision(name: str, classes: int, asked: Asked) -> Built:
    from torchvision import models

    try:
        network = models.get_model(name, weights=None, num_classes=classes,
                                   **({"init_weights": False} if name in ("googlenet", "inception_v3") else {}))
        facts = models.get_model_weights(name).DEFAULT.transforms()
    except (ValueError, TypeError) as error:
        raise ImportRefusedError(f"torchvision: {error}") from error
    if not hasattr(facts, "crop_size"):
        raise ImportRefusedError(f"torchvision's {name} is no classifier of images")
    side = facts.crop_size[0]
    size = asked.size or (side, side)
    return network, (3, *size), (tuple(facts.mean), tuple(facts.std)) if classes == 1000 else None


def _function(name: str, classes: int, asked: Asked) -> Built:
    assert asked.size is not None
    shape = (asked.channels or 3, *asked.size)
    try:
        return called(pin(name))(shape, classes), shape, None
    except ValueError as error:
        raise ImportRefusedError(str(error)) from error


def _load(network: nn.Module, path: Path, source: str) -> None:
    """Weights into `network`, all of them; ImportRefusedError names the first that do not fit."""
    weights = read_weights(path)
    try:
        told = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # shapes
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise ImportRefusedError(f"{path} does not fit {source} with as many classes as you named: {' '.join(lines)}"
                                 ) from error
    if told.missing_keys or told.unexpected_keys:
        missing, extra = told.missing_keys[:3], told.unexpected_keys[:3]
        raise ImportRefusedError(f"{path} does not fit {source}: it lacks {', '.join(missing) or 'nothing'}"
                                 f" and has {', '.join(extra) or 'nothing'} that it should not")


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors or from torch.save, without the wrappers that training scripts put around it."""
    if not path.is_file():
        raise ImportRefusedError(f"--weights: there is no file {path}")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ImportRefusedError(f"--weights {path}: {str(error).strip().partition(chr(10))[0][:200]}; save only the "
                                 "weights: torch.save(network.state_dict(), file)") from error
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
            break
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ImportRefusedError(f"--weights {path} holds no state dict; torch.save(network.state_dict(), file)")
    if all(str(name).startswith("module.") for name in found):  # of DataParallel
        found = {name.removeprefix("module."): value for name, value in found.items()}
    weights: dict[str, Tensor] = found
    return weights


def _safetensors(path: Path) -> dict[str, Tensor]:
    """The format is eight bytes of length, that much JSON, and the numbers; https://github.com/huggingface/safetensors"""
    data = path.read_bytes()
    try:
        length = int.from_bytes(data[:8], "little")
        head = json.loads(data[8 : 8 + length])
        found = {}
        for name, entry in head.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            raw = bytearray(data[8 + length + begin : 8 + length + end])
            if entry["dtype"] == "BF16":
                tensor = torch.frombuffer(raw, dtype=torch.bfloat16) if raw else torch.empty(0, dtype=torch.bfloat16)
            else:
                tensor = torch.from_numpy(np.frombuffer(raw, TYPES[entry["dtype"]]))
            found[name] = tensor.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ImportRefusedError(f"--weights {path} is no whole safetensors file: {error}") from error
    return found


def _channels(module: nn.Module) -> int | None:
    first = next((value for value in module.state_dict().values() if value.ndim == 4), None)
    return int(first.shape[1]) if first is not None and first.shape[1] in (1, 3) else None


def _exported(
    network: nn.Module, shape: tuple[int, ...], kind: str, *, scripted: bool,
    known: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> Exported:
    """As ONNX with an open batch axis; TorchScript through the older exporter, which alone reads it."""
    example = torch.zeros(2, *shape)
    try:
        with torch.no_grad():
            answer = network(example)
    except Exception as error:
        raise ImportRefusedError(f"{kind} does not take {tuple(example.shape)} images: "
                                 f"{str(error).strip().splitlines()[-1][:300]}") from error
    if not isinstance(answer, Tensor):
        raise ImportRefusedError(f"{kind} returns {type(answer).__name__}, and a classifier returns one tensor")
    export = _export_scripted if scripted else _export
    try:
        model = export(network, example)
    except Exception as error:
        raise ImportRefusedError(f"{kind} cannot be exported to ONNX: {reason(error)}") from error
    return Exported(model, _runner(network), kind, known)


def _export(network: nn.Module, example: Tensor) -> onnx.ModelProto:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        program = torch.onnx.export(
            network, (example,), dynamo=True, opset_version=OPSET, input_names=[INPUT], output_names=[OUTPUT],
            dynamic_shapes=({0: "batch"},), external_data=False, verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return model


def _export_scripted(network: nn.Module, example: Tensor) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=TracerWarning)
        warnings.filterwarnings("ignore", message="no signature found", category=UserWarning)
        torch.onnx.export(
            network, (example,), buffer, dynamo=False,  # type: ignore[arg-type]  # the older exporter takes any file
            opset_version=17, input_names=[INPUT], output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}}, verbose=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def _runner(network: nn.Module) -> Callable[[NDArray[np.generic]], Answers]:
    def run(values: NDArray[np.generic]) -> Answers:
        with torch.no_grad():
            answer: Answers = network(torch.from_numpy(np.ascontiguousarray(values))).float().numpy()
        return answer

    return run
