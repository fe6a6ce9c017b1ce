"""Report 001: an MLP-mixer after a coursework specification, 30 epochs on Fashion-MNIST.

    python -m training fm001-mixer
    python -m training --list --variants               what the report names without figures
"""

from __future__ import annotations

from dataclasses import replace

from training.protocol import Protocol
from training.recipe import Normalization, Recipe, Reported

MIXER = Recipe(
    name="fm001-mixer",
    description="two mixing blocks without skips, batch norm over rows, mean of 128 row logits",
    dataset="fashion-mnist",
    architecture="mixer",
    shape={
        "patch": 4,
        "width": 256,
        "blocks": (((512, 256), (128, 64), 0.1), ((64, 128), (32, 16), 0.2)),
    },
    normalization=Normalization((0.2860,), (0.3530,)),  # our reading: the report says Normalization and no numbers
    init="kaiming-uniform",
    epochs=30,
    batch_size=128,
    optimizer="adam",
    lr=1e-3,
    weight_decay=5e-4,
    schedule="plateau",
    schedule_options={"patience": 15, "threshold": 1e-8, "factor": 0.1},  # the factor is torch's default
    # The scheduler watched the test loss and the best test accuracy was quoted.
    report=Protocol(held_out=0, watches="test", tests_on="test", picks="best"),
    floor=0.86,
    reported=Reported(
        test=(0.8988, 0.9005),
        note="final and best epoch (24), both on the test split",
        silent_on="the normalisation, where dropout sits, and which loss the scheduler watches (it names two)",
    ),
)

RECIPES = (MIXER,)

# What the report says it tried, without a figure for any.
VARIANTS = (
    *(
        replace(MIXER, name=f"fm001-mixer-batch-{size}", description=f"batches of {size}", batch_size=size,
                reported=None)
        for size in (64, 256, 512, 1024, 2048, 4096)
    ),
    *(
        replace(MIXER, name=f"fm001-mixer-epochs-{epochs}", description=f"{epochs} epochs", epochs=epochs,
                reported=None)
        for epochs in (10, 50, 100, 200)
    ),
    *(
        replace(MIXER, name=f"fm001-mixer-init-{init}", description=f"{init} on the linear weights", init=init,
                reported=None)
        for init in ("xavier-normal", "xavier-uniform", "kaiming-normal")
    ),
    # The learning rate is ours: at Adam's .001, SGD without momentum would hardly move in 30 epochs.
    replace(MIXER, name="fm001-mixer-sgd", description="SGD", optimizer="sgd", lr=0.1, reported=None),
    replace(MIXER, name="fm001-mixer-asgd", description="averaged SGD", optimizer="asgd", lr=0.1, reported=None),
)
