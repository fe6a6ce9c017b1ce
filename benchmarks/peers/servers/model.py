"""What all contenders share, so that only the servers differ: one session, one thread, one answer per image.

PEERS_MODEL names the folder of the artifact.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray


class Model:
    """uint8 (n, height, width, channels) in, `[{"label", "index", "probability"}, ...]` out."""

    def __init__(self) -> None:
        folder = Path(os.environ["PEERS_MODEL"])
        card = json.loads((folder / "card.json").read_bytes())
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self.classes: list[str] = card["classes"]
        self.shape = tuple(card["input"][side] for side in ("height", "width", "channels"))
        self._session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pixels: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """The most probable class of each image; any layout that holds whole images will do."""
        probabilities = self._session.run(None, {self._input: pixels.reshape(-1, *self.shape)})[0]
        best = probabilities.argmax(axis=1).tolist()
        return [
            {"label": self.classes[index], "index": index, "probability": float(row[index])}
            for index, row in zip(best, probabilities, strict=True)
        ]
