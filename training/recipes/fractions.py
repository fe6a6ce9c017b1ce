"""Report 004, second part: one dense network on growing shares of Fashion-MNIST.

The text gives no depth; the code has two hidden layers. Reported is a curve that "saturates near 89 %".

    python -m training 'fm004-frac-*'
"""

from __future__ import annotations

from dataclasses import replace

from training.protocol import Protocol
from training.recipe import Normalization, Recipe, Reported

SILENT = "the depth (its text names none), and the epoch and the figure of each share"
READ_OFF = "between the ends of a curve; no number of its own"

BASE = Recipe(
    name="fm004-frac-1.0",
    description="784-256-256-10 on all training images",
    dataset="fashion-mnist",
    architecture="mlp",
    shape={"hidden": (256, 256), "activation": "relu"},
    normalization=Normalization((0.0,), (1.0,)),
    epochs=30,
    batch_size=64,
    optimizer="adam",
    lr=1e-3,
    report=Protocol(held_out=18_000, watches="held-out", tests_on="held-out"),
    floor=0.80,
    reported=Reported(test=(0.84, 0.89)),
)

RECIPES = tuple(
    replace(
        BASE,
        name=f"fm004-frac-{fraction}",
        description=f"784-256-256-10 on {fraction:.0%} of the training images",
        fraction=fraction,
        reported=Reported(test=span, note=note, silent_on=SILENT),
    )
    for fraction, span, note in (
        (0.2, (0.835, 0.845), '"as high as 84 %"'),
        (0.4, (0.84, 0.89), READ_OFF),
        (0.6, (0.84, 0.89), READ_OFF),
        (0.8, (0.84, 0.89), READ_OFF),
        (1.0, (0.885, 0.895), 'a curve that "saturates near 89 %"'),
    )
)

# The text names no depth; its code has two hidden layers of 256, and a check in it builds one 1024 wide.
VARIANTS = (
    *(
        replace(
            BASE,
            name=f"fm004-frac-{fraction}-shallow",
            description=f"784-256-10 on {fraction:.0%} of the training images",
            shape={"hidden": (256,), "activation": "relu"},
            fraction=fraction,
            reported=None,
        )
        for fraction in (0.2, 1.0)
    ),
    replace(
        BASE,
        name="fm004-frac-0.2-wide",
        description="784-1024-1024-10 on 20% of the training images",
        shape={"hidden": (1024, 1024), "activation": "relu"},
        fraction=0.2,
        reported=None,
    ),
)
