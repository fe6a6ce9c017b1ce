"""A batch is a pure function of (seed, epoch, number), and every image has its own augmentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from training.augment import AUGMENTATIONS, Draws
from training.batches import Batches, to_input, to_planes
from training.recipe import Normalization, Recipe
from training.seeds import derive, generator

CPU = torch.device("cpu")
MakeBatches = Callable[..., Batches]


@pytest.fixture
def batches(recipe: Recipe) -> MakeBatches:
    """Batches of 25 over 110 images that carry their own number in every pixel, and as their label."""

    def make(seed: int = 0, **changes: Any) -> Batches:
        numbers = np.arange(110)
        images = np.broadcast_to(numbers[:, None, None, None], (110, 28, 28, 1)).astype(np.uint8)
        changed = replace(recipe, **{"batch_size": 25, "augment": {}, **changes})
        return Batches(images, numbers, changed, seed=seed, device=CPU)

    return make


def test_an_epoch_shows_every_image_once_and_each_epoch_in_another_order(batches: MakeBatches) -> None:
    served = batches()

    epochs = [
        torch.cat([served.load(served.order(epoch), epoch, number)[1] for number in range(len(served))]).tolist()
        for epoch in (0, 1)
    ]

    assert len(served) == 5  # the last batch is smaller
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(110))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(("size", "sizes"), [
    (109, [110]), (25, [25] * 4 + [10]), (55, [55, 55]), (110, [110]), (111, [110]), (27, [27] * 4 + [2]),
])
def test_a_last_image_alone_belongs_to_the_batch_before(batches: MakeBatches, size: int, sizes: list[int]) -> None:
    made = batches(batch_size=size)
    order = made.order(0)

    taken = [made.load(order, 0, number)[1] for number in range(len(made))]

    assert [len(each) for each in taken] == sizes
    assert sorted(torch.cat(taken).tolist()) == list(range(110))


def test_images_and_labels_stay_together(batches: MakeBatches) -> None:
    served = batches(normalization=Normalization((0.0,), (1.0,)))

    images, labels = served.load(served.order(3), 3, 2)

    torch.testing.assert_close(images[:, 0, 5, 5] * 255, labels.float())


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_batch_depends_on_nothing_that_was_drawn_before(batches: MakeBatches, name: str) -> None:
    options = {"shift": {"pixels": 2}, "affine": {"degrees": 10, "shift": 0.1, "scale": (0.9, 1.1)}}.get(name, {})
    one, other = batches(augment={name: options}), batches(augment={name: options})
    torch.rand(7)
    for number in range(3):
        other.load(other.order(0), 0, number)

    assert torch.equal(one.load(one.order(2), 2, 1)[0], other.load(other.order(2), 2, 1)[0])


def test_seed_epoch_and_number_each_give_another_augmentation(batches: MakeBatches) -> None:
    noise = {"erase": {"probability": 1.0}}
    served, reseeded = batches(augment=noise), batches(seed=1, augment=noise)
    order = served.order(0)

    seen = [
        served.load(order, 0, 0)[0], served.load(order, 1, 0)[0], reseeded.load(order, 0, 0)[0],
        served.load(order.roll(25), 0, 1)[0],  # the same images as batch number 1
    ]

    assert all(not torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])


def draws(count: int, *, epoch: int = 0, seed: int = 0) -> Draws:
    return Draws(torch.arange(count), generator(seed, "test", epoch), seed, epoch)


def ramp(count: int) -> Tensor:
    """The same image `count` times: values rise along both axes, so every move shows."""
    return (torch.arange(28)[:, None] * 4 + torch.arange(28) * 5).to(torch.uint8).expand(count, 1, 28, 28)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("flip", {}),
        ("alternating-flip", {}),
        ("shift", {"pixels": 2}),
        ("affine", {"degrees": 10, "shift": 0.1, "scale": (0.9, 1.1)}),
        ("erase", {"probability": 0.5}),
    ],
)
def test_equal_images_of_one_batch_become_different(name: str, options: dict[str, Any]) -> None:
    images = ramp(64)

    changed = AUGMENTATIONS[name](images, draws(64), **options)

    assert changed.shape == images.shape
    assert len(torch.unique(changed.flatten(1), dim=0)) > 1
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_a_shift_moves_the_whole_image_and_lets_black_in() -> None:
    image = torch.full((200, 3, 8, 8), 255, dtype=torch.uint8)

    moved = AUGMENTATIONS["shift"](image, draws(200), pixels=2)

    lit = (moved > 0).sum(dim=(1, 2, 3)) // 3
    assert set(lit.tolist()) == {h * w for h in (6, 7, 8) for w in (6, 7, 8)}
    assert torch.equal(moved[:, 0], moved[:, 2])  # all planes move together


def test_a_shift_of_nothing_and_an_affine_of_nothing_change_nothing() -> None:
    images = ramp(5)

    assert torch.equal(AUGMENTATIONS["shift"](images, draws(5), pixels=0), images)
    still = AUGMENTATIONS["affine"](images, draws(5), degrees=0, shift=0, scale=(1.0, 1.0))
    torch.testing.assert_close(still, images.float(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(61, 61), (31, 91), (91, 31)])
def test_an_affine_turns_images_of_any_shape_by_the_same_angle(height: int, width: int) -> None:
    image = torch.zeros(1, 1, height, width, dtype=torch.uint8)
    image[..., height // 2, width // 2 - 10 : width // 2 + 11] = 255  # a bar that lies

    turned = AUGMENTATIONS["affine"](image, Turned(), degrees=20, shift=0, scale=(1.0, 1.0))[0, 0]

    rows, columns = torch.nonzero(turned > 60, as_tuple=True)
    ends = rows[columns.argmax()] - rows[columns.argmin()], columns.max() - columns.min()
    assert abs(float(ends[0] / ends[1])) == pytest.approx(np.tan(np.radians(20)), abs=0.08)


class Turned:
    """Draws that always give the upper bound."""

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.full(shape, float(high))


def test_two_epochs_of_alternating_flip_show_each_image_both_ways() -> None:
    images = ramp(300)

    epochs = [AUGMENTATIONS["alternating-flip"](images, draws(300, epoch=epoch)) for epoch in (0, 1, 2)]

    mirrored = [(epoch == images.flip(-1)).all(dim=3).all(dim=2).all(dim=1) for epoch in epochs]
    assert torch.equal(mirrored[0], ~mirrored[1])
    assert torch.equal(mirrored[0], mirrored[2])
    assert 100 < int(mirrored[0].sum()) < 200


def test_erasing_touches_about_the_chosen_share_of_images_and_area() -> None:
    images = torch.zeros(2000, 1, 28, 28, dtype=torch.uint8)

    erased = AUGMENTATIONS["erase"](images, draws(2000), probability=0.5, area=(0.1, 0.1), aspect=(1.0, 1.0))

    touched = (erased > 0).flatten(1).float().mean(dim=1)
    assert 0.45 < (touched > 0).float().mean() < 0.55
    assert touched[touched > 0].mean() == pytest.approx(0.1, abs=0.01)  # 9 by 9 of 784, less what is 0 by chance


def test_what_a_network_sees_is_the_formula_in_numpy() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    normalization = Normalization((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))

    seen = to_input(to_planes(images, CPU), normalization)

    expected = (images / 255 - normalization.mean) / normalization.std
    np.testing.assert_allclose(seen.permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)


def test_derived_seeds_are_pinned_because_runs_depend_on_them() -> None:
    assert derive(0, "order", 0) != derive(0, "order", 1) != derive(1, "order", 1)
    assert derive(0, "order", 0) == 868_375_782
