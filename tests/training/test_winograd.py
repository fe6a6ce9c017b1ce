"""Winograd's convolutions are torch's, to less than one part in 10,000, and take over nothing that they cannot do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from training import native
from training import probe as probing
from training.execution import Execution, answering, choose, described
from training.learner import Learner
from training.loop import Task, train
from training.probe import probe
from training.progress import Silent
from training.recipe import Recipe
from training.recipes import RECIPES
from training.winograd import Winograd, convolve, gains, has_wide_convolutions
from training.winograd import native as transforms
from training.winograd.native import library
from training.winograd.tiling import Tiling

CLOSE = 1e-4  # of the largest value; 6e-5 were seen, in a gradient by images of 13 x 13

pytestmark = pytest.mark.skipif(native.compiler() is None, reason="Winograd's convolutions need a C compiler")


def both_ways(convolution: Callable[..., Tensor], *tensors: Tensor) -> list[Tensor]:
    """What it gives for images, filters and biases, and then the gradients of all three."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    answer = convolution(*leaves)
    weights = torch.linspace(-1, 1, answer.numel(), dtype=answer.dtype).view(answer.shape)
    (answer * weights).sum().backward()  # type: ignore[no-untyped-call]
    return [answer.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def direct(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The same convolution by torch."""
    return functional.conv2d(x, weight, bias, padding=1)


def far(found: Tensor, exact: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((found - exact).detach().abs().max() / exact.detach().abs().max())


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The shapes of images that went the quick way."""
    seen: list[torch.Size] = []

    def counted(x: Tensor, *rest: Tensor) -> Tensor:
        seen.append(x.shape)
        return convolve(x, *rest)

    monkeypatch.setattr("training.winograd.convolution.convolve", counted)
    return seen


@given(
    st.integers(1, 5), st.integers(1, 13), st.integers(1, 13), st.sampled_from([8, 24, 40]),
    st.sampled_from([8, 32]), st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_answers_and_gradients_are_the_direct_ones_for_every_size_of_image(
    images: int, height: int, width: int, inputs: int, outputs: int, last: bool
) -> None:
    torch.manual_seed(images + height + width)
    x, weight = torch.randn(images, inputs, height, width), torch.randn(outputs, inputs, 3, 3)
    bias = torch.randn(outputs)
    if last:
        x, weight = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, weight))
    exact = both_ways(direct, *(tensor.double() for tensor in (x, weight, bias)))

    found = both_ways(convolve, x, weight, bias)

    for mine, theirs in zip(found, exact, strict=True):
        assert mine.shape == theirs.shape
        assert far(mine, theirs) <= CLOSE


@pytest.mark.parametrize(("side", "size"), [(1, 2), (2, 2), (4, 4), (7, 7), (8, 4), (14, 7), (16, 4), (28, 7), (32, 4)])
def test_tiles_are_large_only_where_that_saves_much(side: int, size: int) -> None:
    assert Tiling.of(side, side).size == size


def test_a_batch_of_many_pieces_ends_in_the_same_bits_each_time() -> None:
    torch.manual_seed(0)
    tensors = torch.randn(90, 64, 16, 16), torch.randn(64, 64, 3, 3), torch.randn(64)

    first, second = both_ways(convolve, *tensors), both_ways(convolve, *tensors)

    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert far(first[0], direct(*tensors)) <= CLOSE


@pytest.mark.parametrize(
    ("layer", "taken"),
    [
        (nn.Conv2d(32, 64, 3, padding=1), True),
        (nn.Conv2d(64, 64, 3, padding=1, bias=False), True),
        (nn.Conv2d(3, 64, 3, padding=1), False),
        (nn.Conv2d(32, 32, 3, padding=1), False),
        (nn.Conv2d(68, 64, 3, padding=1), False),
        (nn.Conv2d(64, 64, 3), False),
        (nn.Conv2d(64, 64, 3, padding=1, stride=2), False),
        (nn.Conv2d(64, 64, 3, padding=1, dilation=2), False),
        (nn.Conv2d(64, 64, 3, padding=1, groups=2), False),
        (nn.Conv2d(64, 64, 5, padding=1), False),
        (nn.Conv2d(64, 64, 3, padding=1, padding_mode="reflect"), False),
    ],
    ids=str,
)
def test_layers_that_it_cannot_do_or_that_gain_nothing_stay_torchs(
    layer: nn.Conv2d, taken: bool, calls: list[torch.Size]
) -> None:
    x = torch.randn(2, layer.in_channels, 6, 6)
    plain = layer(x)

    with Winograd():
        answer = layer(x)

    assert bool(calls) is has_wide_convolutions(nn.Sequential(layer)) is taken
    assert far(answer, plain) <= CLOSE


def test_arguments_may_come_by_name_and_an_empty_batch_is_a_batch(calls: list[torch.Size]) -> None:
    x, weight, bias = torch.randn(2, 64, 5, 5), torch.randn(64, 64, 3, 3), torch.randn(64)

    with Winograd():
        named = functional.conv2d(input=x, weight=weight, bias=bias, padding=(1, 1))
        empty = functional.conv2d(x[:0], weight, bias, padding=1)

    assert far(named, direct(x, weight, bias)) <= CLOSE
    assert empty.shape == (0, 64, 5, 5)
    assert len(calls) == 2


def test_halves_and_doubles_are_left_alone() -> None:
    x, weight = torch.randn(1, 64, 4, 4), torch.randn(64, 64, 3, 3)

    assert gains(x, weight, padding=1)
    assert not gains(x.double(), weight.double(), padding=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not gains(x, weight, padding=1)


def test_images_of_one_line_gain_nothing() -> None:
    weight = torch.randn(64, 64, 3, 3)

    assert gains(torch.randn(1, 64, 2, 2), weight, padding=1)
    for height, width in ((1, 1), (1, 9), (9, 1), (0, 9)):
        assert not gains(torch.randn(1, 64, height, width), weight, padding=1)


X, WEIGHT = torch.zeros(2, 64, 5, 5), torch.zeros(64, 64, 3, 3)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ((X[:, :56], WEIGHT, None), "64 channels, but got 56"),
        ((torch.zeros(2, 72, 5, 5), WEIGHT, None), "64 channels, but got 72"),
        ((X, WEIGHT, torch.zeros(8)), "bias to be 1-dimensional with 64"),
        ((X, WEIGHT, torch.zeros(64, dtype=torch.float64)), "bias type"),
        ((X, WEIGHT[0, 0, 0], None), "three dimensions"),
    ],
    ids=["too few channels", "too many channels", "a short bias", "a bias of doubles", "a filter of one dimension"],
)
def test_what_does_not_fit_is_read_by_nobody_and_refused_in_torchs_words(
    tensors: tuple[Tensor, Tensor, Tensor | None], said: str, calls: list[torch.Size]
) -> None:
    with Winograd(), pytest.raises(RuntimeError, match=said):
        functional.conv2d(*tensors, padding=1)
    with pytest.raises(ValueError, match=r"wanted, float32 .*; these are float32 \(2, .* on cpu"):
        convolve(*tensors)

    assert not calls


@pytest.fixture
def wide(recipe: Recipe) -> Recipe:
    """A recipe with convolutions of 64 channels."""
    return replace(
        recipe, architecture="cnn", shape={"stages": (64,), "head": (16,), "dropout": 0.25}, epochs=1, batch_size=50
    )


@pytest.mark.slow
def test_a_network_learns_what_it_learns_without_and_in_the_same_bits_each_time(
    toy_data: Path, wide: Recipe, execution: Execution, tmp_path: Path
) -> None:
    quick = replace(execution, winograd=True, channels_last=True)

    def run(name: str, chosen: Execution) -> dict[str, object]:
        done = train(Task(wide, root=tmp_path / name), execution=chosen, watcher=Silent())
        assert done is not None
        return done.result

    first, again, plain = run("first", quick), run("again", quick), run("plain", execution)

    assert first["weights_sha256"] == again["weights_sha256"] != plain["weights_sha256"]
    assert first["train"]["loss"] == pytest.approx(plain["train"]["loss"], rel=0.05)  # type: ignore[index]
    assert described(quick).endswith("Winograd")


@pytest.mark.slow
def test_the_probe_tries_it_where_there_are_wide_convolutions_and_a_compiler(
    toy_data: Path, wide: Recipe, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "BUDGET_S", 0)
    narrow = replace(wide, name="narrow", shape={**wide.shape, "stages": (16,)})

    def tried(recipe: Recipe) -> list[dict[str, object]]:
        return [line for line in probe(recipe, execution).record["candidates"] if line["winograd"]]

    (line,) = tried(wide)
    assert line["close"]
    assert line["precision"] == "fp32"
    assert not tried(narrow)
    monkeypatch.setattr(probing, "compiler", lambda: None)
    assert not tried(replace(wide, name="without"))


def test_without_a_compiler_or_with_a_broken_one_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_CACHE", str(tmp_path))
    make = partial(library.__wrapped__, 4)
    monkeypatch.setattr(native, "compiler", lambda: None)
    with pytest.raises(RuntimeError, match="no cc, gcc or clang"):
        make()

    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'no such instruction' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(native, "compiler", lambda: str(broken))
    with pytest.raises(RuntimeError, match=r"does not compile transforms\.c: no such instruction"):
        make()

    broken.write_bytes(b"#!/bin/sh\nprintf 'no file \\377 here' >&2\nexit 1\n")
    with pytest.raises(RuntimeError, match="no file \N{REPLACEMENT CHARACTER} here"):
        make()
    assert not list(tmp_path.glob("native/*.so"))


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on there is a compiler that compiles nothing."""

    def broken(size: int) -> None:
        raise RuntimeError("cc does not compile transforms.c: omp.h is not there")

    return lambda: monkeypatch.setattr(transforms, "library", broken)


def test_who_only_answers_does_without_where_the_compiler_is_of_no_use(lost: Callable[[], None]) -> None:
    def quick() -> bool:
        return answering(RECIPES["fm002-cnn"], device="cpu", threads=1).winograd

    usual = choose(RECIPES["fm002-cnn"], device="cpu").precision
    assert quick() is (usual == "fp32")
    lost()
    assert not quick()


def test_a_run_that_began_so_says_what_it_needs_to_go_on_where_the_compiler_is_gone(
    toy_data: Path, recipe: Recipe, execution: Execution, lost: Callable[[], None]
) -> None:
    train(Task(recipe), execution=replace(execution, winograd=True), watcher=Silent(), deadline=-math.inf)
    lost()

    with pytest.raises(ValueError, match=r"begun with Winograd's .*omp\.h is not there; install a C compiler"):
        train(Task(recipe), execution=execution, watcher=Silent())


def test_what_was_probed_with_a_compiler_is_probed_again_without(
    toy_data: Path, recipe: Recipe, execution: Execution, lost: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {"chosen": asdict(replace(execution, winograd=True)), "candidates": []}
    monkeypatch.setattr(probing, "_measure", lambda *_: quick)
    assert probe(recipe, execution).execution.winograd
    monkeypatch.setattr(probing, "_measure", lambda *_: {**quick, "chosen": asdict(execution)})
    assert probe(recipe, execution).execution.winograd

    lost()

    assert not probe(recipe, execution).execution.winograd


def test_one_thread_and_two_give_the_same_answer() -> None:
    x, weight = torch.randn(3, 64, 9, 9), torch.randn(64, 64, 3, 3)
    before = torch.get_num_threads()
    try:
        answers = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            answers.append(convolve(x, weight))
    finally:
        torch.set_num_threads(before)

    torch.testing.assert_close(*answers)


def test_a_learner_takes_the_quick_way_in_its_steps(
    toy_data: Path, wide: Recipe, execution: Execution, calls: list[torch.Size]
) -> None:
    learner = Learner(wide, replace(execution, winograd=True), seed=0, steps=1)

    learner.step(torch.randn(4, 1, 28, 28), torch.tensor([0, 1, 2, 3]))

    assert calls == [(4, 64, 28, 28)]
