"""The model as it came, on one image at a time, with its input made by numpy: what the artifact is held against.

It shares no code with the graph that is served beyond the numbers of the normalisation, so that a wrong axis, a wrong
constant or a batch that mixes its images shows in parity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto

from export.importing.asked import ImportRefusedError
from export.importing.pixels import Pixels
from export.importing.signature import Signature

FATAL = 4
Images = NDArray[np.uint8]
Answers = NDArray[np.floating]
Run = Callable[[NDArray[np.generic]], Answers]  # one input as the model takes it, with its batch axis; raw answers
NUMPY = {int(TensorProto.UINT8): "uint8", int(TensorProto.FLOAT): "float32", int(TensorProto.FLOAT16): "float16",
         int(TensorProto.DOUBLE): "float64"}


def fed(images: Images, signature: Signature, pixels: Pixels) -> NDArray[np.generic]:
    """Images (n, height, width, channels) as the model's numbers (n, ...), each in the shape of its input."""
    values: NDArray[np.generic] = images[..., ::-1] if pixels.bgr else images
    if not pixels.raw:
        values = np.add(values.astype(np.float32) * pixels.scale, pixels.shift)
    if signature.channels_first:
        values = values.transpose(0, 3, 1, 2)
    shaped: NDArray[np.generic] = values.reshape(len(images), *signature.image).astype(NUMPY[signature.type])
    return shaped


def answers(run: Run, images: Images, signature: Signature, pixels: Pixels) -> Answers:
    """Raw scores (n, width) of the model as it came, image by image."""
    numbers = fed(images, signature, pixels)
    found = []
    for place in range(len(images)):
        one = numbers[place] if signature.batch is None else numbers[place : place + 1]
        found.append(run(np.ascontiguousarray(one)).reshape(-1))
    return np.stack(found)


def opened(model: onnx.ModelProto, given: str, answered: str) -> Run:
    """`model` through ONNX Runtime, from the input `given` to the output `answered`.

    ImportRefusedError with its reason when it does not open, or when a call fails.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = FATAL  # what goes wrong is told by its exception
    try:
        inner = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises bare exceptions of many kinds
        raise ImportRefusedError(f"ONNX Runtime does not open it: {str(error).partition(chr(10))[0]}") from error

    def run(values: NDArray[np.generic]) -> Answers:
        try:
            answer: Answers = inner.run([answered], {given: values})[0]
        except Exception as error:
            raise ImportRefusedError(f"it does not run on {values.dtype} {values.shape}: "
                                     f"{str(error).partition(chr(10))[0]}") from error
        return answer

    return run
