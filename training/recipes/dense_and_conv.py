"""Report 002: a dense and a convolutional network on Fashion-MNIST, plain, regularised and augmented.

The report is silent on learning rate, batch size, normalisation and on what its augmentation was. Both augmented rows
have a train loss above the validation loss, so the clean copies were not trained on: augmentation on the fly.

    python -m training 'fm002-ann*'
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from training.protocol import Protocol
from training.recipe import Normalization, Recipe, Reported

AUGMENT: dict[str, dict[str, Any]] = {
    "flip": {"probability": 0.5},
    "affine": {"degrees": 10, "shift": 0.1, "scale": (0.9, 1.1)},
}

SILENT = "learning rate, batch size and normalisation"

ANN = Recipe(
    name="fm002-ann",
    description="784-392-196-98-10 with ReLU",
    dataset="fashion-mnist",
    architecture="mlp",
    shape={"hidden": (392, 196, 98), "activation": "relu"},
    normalization=Normalization((0.0,), (1.0,)),
    epochs=30,
    batch_size=128,
    optimizer="adam",
    lr=1e-3,
    validation=10_000,
    report=Protocol(held_out=10_000, watches="held-out", tests_on="test"),
    floor=0.85,
    reported=Reported(
        test=(0.8843, 0.8843), losses=(0.093, 0.473),
        silent_on=SILENT,
    ),
)
ANN_MOD = replace(
    ANN,
    name="fm002-ann-mod",
    description="the same with batch norm and dropout, placed as in the report's convolutional head",
    shape={"hidden": (392, 196, 98), "activation": "relu", "batch_norm": True, "dropout": 0.25},
    floor=0.86,
    reported=Reported(
        test=(0.8994, 0.8994), losses=(0.153, 0.296),
        silent_on=f"{SILENT}, and where batch norm and dropout sit",
    ),
)
ANN_MOD_AUG = replace(
    ANN,
    name="fm002-ann-mod-aug",
    description="batch norm, dropout and augmented images, 60 epochs",
    shape={"hidden": (392, 196, 98), "activation": "relu", "batch_norm": True, "dropout": 0.25},
    epochs=60,
    augment=AUGMENT,
    floor=0.84,
    reported=Reported(
        test=(0.8705, 0.8705), losses=(0.422, 0.375),
        silent_on=f"{SILENT}, where batch norm and dropout sit, and what the augmentation was",
    ),
)
CNN = replace(
    ANN,
    name="fm002-cnn",
    description="four convolutions (128, 128, 256, 256) and a dense head, batch norm and dropout everywhere",
    architecture="cnn",
    shape={"stages": (128, 256), "head": (128, 64), "dropout": 0.25},
    floor=0.90,
    reported=Reported(
        test=(0.9179, 0.9179), losses=(0.122, 0.225),
        silent_on=f"{SILENT}, and whether dropout drops values or whole channels",
    ),
)
CNN_AUG = replace(
    ANN,
    name="fm002-cnn-aug",
    description="the same network on augmented images, 60 epochs",
    architecture="cnn",
    shape={"stages": (128, 256), "head": (128, 64), "dropout": 0.25},
    epochs=60,
    augment=AUGMENT,
    floor=0.88,
    reported=Reported(
        test=(0.9014, 0.9014), losses=(0.308, 0.265),
        silent_on=f"{SILENT}, and what the augmentation was",
    ),
)

RECIPES = (ANN, ANN_MOD, ANN_MOD_AUG, CNN, CNN_AUG)

# The other readings of the convolutional network: as printed, batch norm does not survive that dropout is turned off.
CNN_READINGS = tuple(
    replace(
        CNN,
        name=f"fm002-cnn-{name}",
        description=description,
        shape={**CNN.shape, option: True},
        reported=None,
    )
    for name, option, description in (
        ("norm-first", "norm_first", "batch norm before the ReLU, its usual place, and not after it as printed"),
        ("channel-dropout", "channel_dropout", "dropout of whole channels in the convolutional part"),
    )
)

# Other readings of what the report leaves open, for the rows whose figure we do not reproduce: one thing changed each.
READINGS = (
    *(
        replace(
            ANN_MOD,
            name=f"fm002-ann-mod-dropout-{dropout}",
            description=f"dropout {dropout} in place of .25: the report's train loss is below what .25 allows",
            shape={"hidden": (392, 196, 98), "activation": "relu", "batch_norm": True, "dropout": dropout},
            reported=None,
        )
        for dropout in (0.05, 0.1)
    ),
    *(
        replace(
            base,
            name=f"{base.name}-norm-first",
            description="batch norm before the ReLU, its usual place, and not after it as in the convolutional head",
            shape={
                "hidden": (392, 196, 98), "activation": "relu", "batch_norm": True, "norm_first": True, "dropout": 0.25,
            },
            reported=None,
        )
        for base in (ANN_MOD, ANN_MOD_AUG)
    ),
    replace(
        ANN_MOD,
        name="fm002-ann-mod-best-on-test",
        description="the epoch that is best on the test split, were that what the report quotes",
        report=Protocol(held_out=10_000, watches="test", tests_on="test", picks="best"),
        reported=None,
    ),
    # The report's plain network overfits more in 30 epochs than ours, as it would with more and smaller batches.
    *(
        replace(base, name=f"{base.name}-batch-64", description="batches of 64 in place of 128", batch_size=64,
                reported=None)
        for base in (ANN, ANN_MOD)
    ),
)

# The report found Adam better than these and prints no figure. SGD's learning rate is ours: .001 would hardly move.
VARIANTS = (
    *READINGS,
    *CNN_READINGS,
    *(
        replace(base, name=f"{base.name}-{optimizer}", description=f"{optimizer} in Adam's place",
                optimizer=optimizer, lr=lr, reported=None)
        for base in (ANN, CNN)
        for optimizer, lr in (("rmsprop", 1e-3), ("sgd", 0.1), ("adagrad", 1e-2))
    ),
)
