"""The networks have exactly the layers the reports describe."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from training.architectures import build_network, count_parameters
from training.architectures.fastnet import FastNet
from training.datasets import DATASETS
from training.recipes import EVERY_RECIPE, PARAMETERS, RECIPES, VARIANTS


def test_every_recipe_states_its_parameters() -> None:
    assert set(PARAMETERS) == set(EVERY_RECIPE)


@pytest.mark.parametrize("name", [name for name in EVERY_RECIPE if not name.startswith("fm002-next")])
def test_a_network_has_exactly_the_parameters_of_its_report(name: str) -> None:
    with torch.device("meta"):
        assert count_parameters(build_network(replace(EVERY_RECIPE[name], init="default"))) == PARAMETERS[name]


def one_per_network() -> list[str]:
    """A recipe for every network and every way of starting it; recipes that differ only in training add nothing."""
    networks = {
        (recipe.dataset, recipe.architecture, str(dict(recipe.shape)), recipe.init): name
        for name, recipe in reversed([*RECIPES.items(), *VARIANTS.items()])
    }
    return sorted(networks.values())


@pytest.mark.parametrize("name", one_per_network())
def test_a_network_maps_normalised_images_to_ten_logits_and_back_to_all_its_weights(name: str) -> None:
    recipe = EVERY_RECIPE[name]
    facts = DATASETS[recipe.dataset]
    with torch.device("meta"):  # shapes and the graph, without the arithmetic: tests/export does that, for every kind
        network = build_network(recipe)

        logits = network(torch.rand(2, facts.channels, facts.height, facts.width))
        logits.square().sum().backward()

    assert logits.shape == (2, 10)
    assert count_parameters(network) == PARAMETERS[name]
    assert all(parameter.grad is not None for parameter in network.parameters() if parameter.requires_grad)


def test_the_mixer_averages_row_logits_which_is_classifying_the_mean_row() -> None:
    network = build_network(RECIPES["fm001-mixer"]).eval()
    rows: list[torch.Tensor] = []
    network.classifier.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0]))

    logits = network(torch.rand(3, 1, 28, 28))

    assert rows[0].shape == (3, 128, 16)
    torch.testing.assert_close(logits, network.classifier(rows[0].mean(dim=1)))


def test_the_gate_can_switch_a_block_off_for_one_image_only() -> None:
    network = build_network(RECIPES["cf003"]).eval()
    block = network.features[0]
    linear = block.gate[2]
    with torch.no_grad():
        linear.weight.fill_(-1.0)
        linear.bias.fill_(0.5)
    images = torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)])

    answered = block(images).abs().sum(dim=(1, 2, 3))

    assert (answered[0] > 0, answered[1] == 0) == (True, True)


def test_fast_net_convolutions_begin_as_the_identity() -> None:
    network = build_network(RECIPES["fm-fast"])
    conv = next(layer for layer in network.features if isinstance(layer, nn.Conv2d) and layer.bias is None)
    images = torch.rand(1, 16, 8, 8)

    torch.testing.assert_close(conv(images)[:, :16], images)


@pytest.mark.parametrize(
    ("stem", "groups"), [({"kernel": 4, "stride": 2}, 1), ({"kernel": 6, "stride": 4}, 2), ({}, 3)]
)
def test_a_fast_net_that_pools_nothing_sees_every_place_of_images_of_any_shape(
    stem: dict[str, int], groups: int
) -> None:
    network = FastNet((3, 28, 33), 7, stem=16, widths=(16,) * groups, pooled=False, hidden=16, **stem)

    assert network(torch.rand(2, 3, 28, 33)).shape == (2, 7)
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in network.modules())


def test_our_own_channel_counts_are_multiples_of_sixteen() -> None:
    for name in (name for name, recipe in RECIPES.items() if recipe.architecture == "fastnet"):
        shape = RECIPES[name].shape
        assert all(width % 16 == 0 for width in (shape["stem"], *shape["widths"]))


def test_an_init_changes_weights_and_leaves_biases() -> None:
    base = RECIPES["fm002-ann"]
    torch.manual_seed(0)
    default = build_network(base)
    torch.manual_seed(0)
    kaiming = build_network(replace(base, init="kaiming-uniform"))

    first, other = default.layers[1], kaiming.layers[1]
    assert torch.equal(first.bias, other.bias)
    assert other.weight.abs().max() > 2 * first.weight.abs().max()  # sqrt(6) times the default's bound


def test_a_shape_that_does_not_fit_its_architecture_names_the_recipe() -> None:
    with pytest.raises(ValueError, match=r"recipe fm000-tinyvgg: shape .* does not fit"):
        build_network(replace(RECIPES["fm000-tinyvgg"], shape={"depth": 3}))
