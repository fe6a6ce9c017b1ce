"""The networks. Each takes normalised float images (N, C, H, W) and returns logits (N, classes).

    build_network(recipe)    the network of a recipe, freshly initialised from torch's global generator
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from training.architectures.borrowed import googlenet, resnet18, vit
from training.architectures.cnn import StagedCNN
from training.architectures.fastnet import FastNet
from training.architectures.gated import GatedCNN
from training.architectures.initial import initialise
from training.architectures.mixer import ReportMixer
from training.architectures.mlp import MLP
from training.architectures.tinyvgg import TinyVGG
from training.datasets import facts_of
from training.own.network import called
from training.recipe import Recipe, is_callable

# Each is called as entry((channels, height, width), classes, **recipe.shape).
ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "mlp": MLP,
    "tinyvgg": TinyVGG,
    "mixer": ReportMixer,
    "cnn": StagedCNN,
    "gated-cnn": GatedCNN,
    "fastnet": FastNet,
    "resnet18": resnet18,
    "googlenet": googlenet,
    "vit": vit,
}


def build_network(recipe: Recipe) -> nn.Module:
    """The untrained network, in train mode, on the default device. Seed torch first where that matters."""
    facts = facts_of(recipe.dataset)
    entry = called(recipe.architecture) if is_callable(recipe.architecture) else ARCHITECTURES[recipe.architecture]
    try:
        network = entry((facts.channels, facts.height, facts.width), len(facts.classes), **recipe.shape)
    except TypeError as error:
        raise ValueError(f"recipe {recipe.name}: shape {dict(recipe.shape)} does not fit: {error}") from error
    initialise(network, recipe.init)
    return network


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in a network."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
