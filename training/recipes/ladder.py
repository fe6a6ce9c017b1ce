"""Report 000: linear, then a ReLU, then a small convolutional network, ten epochs each on Fashion-MNIST.

The report is silent on widths, optimiser, learning rate, batch size and padding. Its function names and its ladder are
those of D. Bourke's learnpytorch course, chapter 3, so the gaps are filled from there.

    python -m training fm000-linear fm000-relu fm000-tinyvgg
"""

from __future__ import annotations

from dataclasses import replace

from training.protocol import Protocol
from training.recipe import Normalization, Recipe, Reported

# Trained on all 60,000, the test split scored after every epoch, the last one quoted.
REPORT = Protocol(held_out=0, watches="test", tests_on="test")

SILENT = "widths, optimiser, learning rate and batch size"

LINEAR = Recipe(
    name="fm000-linear",
    description="two linear layers with nothing between them",
    dataset="fashion-mnist",
    architecture="mlp",
    shape={"hidden": (10,), "activation": "none"},
    normalization=Normalization((0.0,), (1.0,)),  # ToTensor only
    epochs=10,
    batch_size=32,
    optimizer="sgd",
    lr=0.1,
    report=REPORT,
    floor=0.78,
    reported=Reported(test=(0.80, 0.84), train=(0.79, 0.90), note="ranges over the epochs", silent_on=SILENT),
)
RELU = replace(
    LINEAR,
    name="fm000-relu",
    description="the same two layers with a ReLU between them",
    shape={"hidden": (10,), "activation": "relu"},
    reported=Reported(
        test=(0.80, 0.84), note='"no significant increase" over linear, no number given', silent_on=SILENT
    ),
)
RELU_OUTPUT = replace(
    LINEAR,
    name="fm000-relu-output",
    description="the course's slip, a ReLU on the logits too: a class can die and never come back",
    shape={"hidden": (10,), "activation": "relu", "output_relu": True},
    floor=0.0,  # it exists to show the failure
    reported=None,
)
TINYVGG = replace(
    LINEAR,
    name="fm000-tinyvgg",
    description="TinyVGG, two blocks of two convolutions, ten channels",
    architecture="tinyvgg",
    shape={"hidden": 10},
    floor=0.84,
    reported=Reported(test=(0.84, 0.91), train=(0.78, 0.93), note="ranges over the epochs", silent_on=SILENT),
)

RECIPES = (LINEAR, RELU, RELU_OUTPUT, TINYVGG)
