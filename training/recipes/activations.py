"""Report 004, first part: activation by depth on CIFAR-10, nine dense networks.

Its "test" is 30 % of the train split; the official test split is never used. The text says 30 epochs, its code 20:
we run 30, and the history has epoch 20.

    python -m training 'cf004-*'
"""

from __future__ import annotations

from dataclasses import replace

from training.protocol import Protocol
from training.recipe import Normalization, Recipe, Reported

SILENT = "the number of epochs (30 in its text, 20 in its code)"

BASE = Recipe(
    name="cf004-relu-1",
    description="3072-1024-10 with ReLU",
    dataset="cifar10",
    architecture="mlp",
    shape={"hidden": (1024,), "activation": "relu"},
    normalization=Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    epochs=30,
    batch_size=128,
    optimizer="adam",
    lr=1e-3,
    report=Protocol(held_out=15_000, watches="held-out", tests_on="held-out"),
    floor=0.30,
    reported=Reported(test=(0.4930, 0.4930), train=(0.5692, 0.5692), silent_on=SILENT, or_epoch=20),
)
# activation -> (test, train) for one, two and three hidden layers
REPORTED = {
    "relu": ((0.4930, 0.5692), (0.5073, 0.6480), (0.5021, 0.7052)),
    "tanh": ((0.4396, 0.4836), (0.4012, 0.4263), (0.3649, 0.3837)),
    "sigmoid": ((0.4749, 0.5527), (0.4762, 0.5509), (0.4595, 0.5137)),
}

RECIPES = tuple(
    replace(
        BASE,
        name=f"cf004-{activation}-{depth}",
        description=f"{'-'.join(['3072', *['1024'] * depth, '10'])} with {activation}",
        shape={"hidden": (1024,) * depth, "activation": activation},
        reported=Reported(test=(test, test), train=(train, train), silent_on=SILENT, or_epoch=20),
    )
    for activation, rows in REPORTED.items()
    for depth, (test, train) in enumerate(rows, 1)
)
