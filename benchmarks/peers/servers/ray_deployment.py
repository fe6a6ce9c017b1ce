"""Ray Serve as its documentation shows it: one deployment, one replica, a Starlette request."""

import io
import json
import signal
import sys

import numpy as np
import ray
from PIL import Image
from ray import serve
from starlette.requests import Request

from benchmarks.peers.servers.model import Model


@serve.deployment(num_replicas=1, max_ongoing_requests=100)
class Classifier:
    """Raw pixels, JSON or a form, told apart by their type."""

    def __init__(self) -> None:
        self.model = Model()

    async def __call__(self, request: Request) -> list:
        """Classify."""
        kind = request.headers["content-type"]
        if kind == "application/octet-stream":
            return self.model(np.frombuffer(await request.body(), dtype=np.uint8))
        if kind == "application/json":
            return self.model(np.array(json.loads(await request.body())["images"], dtype=np.uint8))
        async with request.form() as form:
            return self.model(np.asarray(Image.open(io.BytesIO(await form["image"].read()))))


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, logging_level="warning", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])},
                logging_config={"enable_access_log": False})
    serve.run(Classifier.bind(), route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()
