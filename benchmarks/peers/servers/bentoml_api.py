"""BentoML as its documentation shows it: typed API methods, everything else left as it comes."""

import bentoml
import numpy as np
from PIL.Image import Image
from pydantic import BaseModel

from benchmarks.peers.servers.model import Model


class Answer(BaseModel):
    """The most probable class of one image."""

    label: str
    index: int
    probability: float


@bentoml.service
class Classifier:
    """Answers /pixels and /png."""

    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api
    def pixels(self, images: np.ndarray) -> list[Answer]:
        """Pixels as nested lists."""
        return [Answer(**each) for each in self.model(images.astype(np.uint8))]

    @bentoml.api
    def png(self, image: Image) -> list[Answer]:
        """One file of a form."""
        return [Answer(**each) for each in self.model(np.asarray(image))]
