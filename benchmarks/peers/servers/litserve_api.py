"""LitServe as its documentation shows it: decode, predict, encode; JSON or a form at /predict."""

import io
import sys

import litserve as ls
import numpy as np
from PIL import Image

from benchmarks.peers.servers.model import Model


class Classifier(ls.LitAPI):
    """One model in one worker."""

    def setup(self, device):  # noqa: ARG002 - the signature that LitServe calls
        """Load the model in the worker."""
        self.model = Model()

    def decode_request(self, request):
        """Pixels of a JSON body or of an uploaded file."""
        if "image" in request:
            return np.asarray(Image.open(io.BytesIO(request["image"].file.read())))
        return np.array(request["images"], dtype=np.uint8)

    def predict(self, pixels):
        """Classify."""
        return self.model(pixels)

    def encode_response(self, output):
        """Name the list."""
        return {"predictions": output}


if __name__ == "__main__":
    ls.LitServer(Classifier(), accelerator="cpu").run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning", access_log=False
    )
