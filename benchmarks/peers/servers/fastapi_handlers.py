"""FastAPI as its tutorial shows it: a pydantic body, an UploadFile."""

import io

import numpy as np
from fastapi import FastAPI, Request, UploadFile
from PIL import Image
from pydantic import BaseModel

from benchmarks.peers.servers.model import Model

app = FastAPI()
model = Model()


class Pixels(BaseModel):
    """Grey images, height x width."""

    images: list[list[list[int]]]


class Answer(BaseModel):
    """The most probable class of one image."""

    label: str
    index: int
    probability: float


@app.post("/raw")
async def raw(request: Request) -> list[Answer]:
    """Pixels as they are."""
    return [Answer(**each) for each in model(np.frombuffer(await request.body(), dtype=np.uint8))]


@app.post("/pixels")
async def pixels(body: Pixels) -> list[Answer]:
    """Pixels as nested lists."""
    return [Answer(**each) for each in model(np.array(body.images, dtype=np.uint8))]


@app.post("/png")
async def png(image: UploadFile) -> list[Answer]:
    """One file of a form."""
    return [Answer(**each) for each in model(np.asarray(Image.open(io.BytesIO(await image.read()))))]
