"""What report 002 names as its next step: known image networks, with a stem that suits 28 pixels.

The report gives no figure. Trained as its own convolutional network is, so that only the network differs.

    python -m training fm002-next-resnet18
"""

from __future__ import annotations

from dataclasses import replace

from training.protocol import Protocol
from training.recipe import Normalization, Recipe

RESNET = Recipe(
    name="fm002-next-resnet18",
    description="ResNet-18 with a 3x3 stem and no pooling before the blocks",
    dataset="fashion-mnist",
    architecture="resnet18",
    shape={},
    normalization=Normalization((0.0,), (1.0,)),
    epochs=30,
    batch_size=128,
    optimizer="adam",
    lr=1e-3,
    validation=10_000,
    report=Protocol(held_out=10_000, watches="held-out", tests_on="test"),
    floor=0.90,
)
GOOGLENET = replace(
    RESNET,
    name="fm002-next-googlenet",
    description="GoogLeNet with a 3x3 stem, one pooling fewer and no auxiliary heads",
    architecture="googlenet",
)
VIT = replace(
    RESNET,
    name="fm002-next-vit",
    description="a small vision transformer, 49 patches of 4x4 pixels",
    architecture="vit",
    shape={"patch": 4, "depth": 6, "heads": 4, "width": 128, "hidden": 256, "dropout": 0.1},
    floor=0.86,
)

VARIANTS = (RESNET, GOOGLENET, VIT)
