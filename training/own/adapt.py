"""A recipe as it is, on data of one's own: what belongs to its old data set is replaced by what was computed.

Everything that decides how it learns stays, but for its teacher, who knows other classes; another may be named. Gone
are what a report said, and the floor that its data set allowed.
Whether network and images fit together can be asked before anything is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from training.own.network import pin
from training.own.store import Facts
from training.recipe import SPREAD, Normalization, Recipe
from training.recipes.fast import FASHION_SMALL

if TYPE_CHECKING:
    from torch import nn


def on_own_data(
    recipe: Recipe, facts: Facts, *, network: str | None = None, name: str | None = None, teacher: str | None = None
) -> Recipe:
    """`recipe` with the data set, the normalisation and the validation images of `facts`.

    `network` is `module:function` and takes the place of the recipe's architecture. `teacher` is learned from as well
    as labels, as our small networks do it. `name` is what run and model are called, else `default_name`. ValueError
    for one that cannot be a name.
    """
    description = f"{network or recipe.description.partition('; learns from')[0]}, on {facts.name}"
    if teacher:
        description = f"{description}; learns from {teacher}"
    return replace(
        recipe,
        name=name or default_name(recipe, facts, network=network, teacher=teacher),
        description=f"{description}, trained as {recipe.name}" if network else description,
        dataset=facts.dataset,
        architecture=pin(network) if network else recipe.architecture,
        shape={} if network else _spread(recipe.shape),
        normalization=Normalization(facts.mean, facts.std),
        validation=facts.validation,
        report=None,
        reported=None,
        teacher=teacher or "",
        distillation=(recipe if recipe.teacher else FASHION_SMALL).distillation if teacher else {},
        floor=0.0,
    )


def default_name(recipe: Recipe, facts: Facts, *, network: str | None = None, teacher: str | None = None) -> str:
    """`<data set>-<recipe>`, or `<data set>-<function>`, with `-from-<teacher>` behind; it may be too long."""
    plain = f"{facts.name}-{network.split(':')[-1].lower().replace('_', '-') if network else recipe.name}"
    return f"{plain}-from-{teacher}" if teacher else plain


def _spread(shape: Mapping[str, Any]) -> dict[str, Any]:
    """The shape, whitened by images from all over where it is whitened: folders lie in the order of their classes."""
    return {**shape, "whitened": SPREAD} if shape.get("whitened") else dict(shape)


def misfit(recipe: Recipe, facts: Facts) -> str | None:
    """Why the recipe's network does not take images of this size, tried on two of them; None when it does.

    Tried is what training does first as well: to whiten the stem, where it is whitened.
    """
    import torch

    from training.architectures import build_network

    try:
        network: nn.Module = build_network(recipe).train()
        images = torch.zeros(2, facts.channels, facts.height, facts.width)
        if getattr(network, "whitened", False):
            network.whiten(images)  # type: ignore[operator]
        with torch.no_grad():
            logits = network(images)
    except Exception as error:  # noqa: BLE001 - whatever a network says to a size that it was not made for
        kind = "" if isinstance(error, RuntimeError | ValueError) else f"{type(error).__name__}: "
        return f"{kind}{error}".partition("\n")[0]
    if tuple(getattr(logits, "shape", ())) != (2, len(facts.classes)):
        return f"it gives {tuple(getattr(logits, 'shape', ()))} for 2 images of {len(facts.classes)} classes"
    return None

