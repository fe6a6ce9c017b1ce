"""MLServer as its documentation shows a custom model: Open Inference Protocol in and out, no extra processes.

Run as a script it writes the two settings files that `mlserver start` wants, then becomes `mlserver start`.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.machine.ports import free_port
from benchmarks.peers.servers.model import Model


class Classifier(MLModel):
    """Answers /v2/models/classifier/infer."""

    async def load(self) -> bool:
        """Open the session."""
        self.model = Model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Classify a tensor of images."""
        answers = self.model(NumpyCodec.decode_input(payload.inputs[0]).astype(np.uint8))
        indices = np.array([answer["index"] for answer in answers])
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("index", indices)])


if __name__ == "__main__":
    port = int(sys.argv[1])
    folder = Path(tempfile.mkdtemp(prefix="peers-mlserver-"))
    (folder / "settings.json").write_text(json.dumps({
        "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
        "parallel_workers": 0, "debug": False,
    }))
    (folder / "model-settings.json").write_text(json.dumps({
        "name": "classifier", "implementation": "benchmarks.peers.servers.mlserver_model.Classifier",
    }))
    program = str(Path(sys.executable).with_name("mlserver"))
    os.execv(program, [program, "start", str(folder)])  # noqa: S606 - our own arguments
