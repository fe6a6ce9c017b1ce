"""Dropout by random bytes drops as much as it should, scales what it keeps, and leaves the rest to torch."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training import native
from training.architectures import build_network
from training.dropout import ByteDropout, rectify_and_drop
from training.dropout import native as machine_code
from training.native import compiler
from training.recipes import RECIPES

SHAPES = [(1000, 100), (20, 50, 10, 10)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("p", [0.001, 0.1, 0.25, 0.5, 0.8, 0.999])
def test_the_share_that_is_dropped_is_exact_and_the_rest_is_scaled(shape: tuple[int, ...], p: float) -> None:
    torch.manual_seed(0)
    x = torch.rand(shape) + 1
    layer = nn.Dropout(p)

    with ByteDropout():
        answer = layer(x)

    dropped = (answer == 0).double().mean()
    assert abs(dropped - p) < 5 * (p * (1 - p) / x.numel()) ** 0.5  # five standard errors
    torch.testing.assert_close(answer[answer != 0], (x / (1 - p))[answer != 0])


def test_values_in_memory_order_are_dropped_alike_whatever_the_format() -> None:
    x = torch.ones(4, 8, 6, 6).contiguous(memory_format=torch.channels_last)
    with ByteDropout():
        torch.manual_seed(1)
        last = nn.functional.dropout(x, 0.5)
        torch.manual_seed(1)
        plain = nn.functional.dropout(x.permute(0, 2, 3, 1).contiguous(), 0.5)
        torch.manual_seed(2)
        other = nn.functional.dropout(x, 0.5)

    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last.permute(0, 2, 3, 1), plain)
    assert not torch.equal(last, other)


def test_values_neighbouring_in_a_number_and_across_numbers_are_independent() -> None:
    torch.manual_seed(0)
    with ByteDropout():
        kept = (nn.functional.dropout(torch.ones(80_000), 0.5) > 0).double().view(-1, 8) - 0.5

    correlation = 4 * kept.T @ kept / len(kept)
    assert float((correlation - torch.eye(8, dtype=torch.float64)).abs().max()) < 0.05
    assert abs(float(4 * (kept[1:] * kept[:-1]).mean())) < 0.02


def test_the_gradient_is_that_of_what_was_kept() -> None:
    x = torch.ones(100, requires_grad=True)
    with ByteDropout():
        answer = nn.functional.dropout(x, 0.25)
    answer.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None

    assert torch.equal(x.grad, answer.detach())


def test_a_probability_between_two_bytes_is_met_exactly() -> None:
    torch.manual_seed(0)
    p, count = 1.5 / 256, 4_000_000  # two neighbours of it differ by 1/256, which is a hundred standard errors
    with ByteDropout():
        dropped = (nn.functional.dropout(torch.ones(count), p) == 0).double().mean()

    assert abs(float(dropped) - p) < 5 * (p * (1 - p) / count) ** 0.5


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_keeping_all_or_nothing_is_torchs(p: float) -> None:
    x = torch.rand(1000)
    with ByteDropout():
        assert torch.equal(nn.functional.dropout(x, p), nn.functional.dropout(x, p))
        assert torch.equal(nn.functional.dropout(x, p), x * (1 - p))


def test_a_network_that_is_scored_drops_nothing() -> None:
    x = torch.rand(1000)
    with ByteDropout():
        assert torch.equal(nn.Dropout(0.5).eval()(x), x)


@pytest.fixture
def without_machine_code(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, torch's operations drop."""
    return lambda: monkeypatch.setattr(machine_code, "library", lambda: None)


@pytest.mark.skipif(compiler() is None, reason="machine code needs a C compiler")
@pytest.mark.parametrize("p", [0.001, 0.1, 0.25, 0.5, 0.9999])
@pytest.mark.parametrize("shape", [(3,), (70, 1111), (6, 8, 9, 9)], ids=str)
@pytest.mark.parametrize("drop", [nn.functional.dropout, rectify_and_drop], ids=["dropout", "after a ReLU"])
def test_machine_code_gives_the_bits_of_torchs_operations(
    drop: Callable[..., Tensor], shape: tuple[int, ...], p: float, without_machine_code: Callable[[], None]
) -> None:
    torch.manual_seed(3)
    before = torch.randn(shape, requires_grad=True)
    x = before.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else before
    back = torch.randn(shape)

    def answers() -> tuple[Tensor, Tensor, Tensor]:
        torch.manual_seed(4)
        with ByteDropout():
            answer = drop(x, p, training=True)
        (gradient,) = torch.autograd.grad(answer, before, back, retain_graph=True)
        return answer, gradient, torch.rand(3)  # and the random numbers that follow

    by_machine_code = answers()
    without_machine_code()
    for mine, torchs in zip(by_machine_code, answers(), strict=True):
        assert torch.equal(mine, torchs)
    assert by_machine_code[0].stride() == x.stride()


NOWHERE = {
    "a folder that cannot be made": lambda patch, cache: patch.setenv("WEIGHBRIDGE_CACHE", str(cache / "file" / "x")),
    "no home": lambda patch, cache: (patch.delenv("WEIGHBRIDGE_CACHE"), patch.setattr(Path, "home", homeless)),
    "a disk of which nothing is run": lambda patch, cache: patch.setattr(
        ctypes, "CDLL", lambda path: load(path) if not path.startswith(str(cache)) else refuse(path)),
}
load = ctypes.CDLL


def homeless() -> Path:
    raise RuntimeError("Could not determine home directory.")


def refuse(path: str) -> ctypes.CDLL:
    raise OSError(f"{path}: failed to map segment from shared object")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, but for a file."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "file").touch()
    monkeypatch.setenv("WEIGHBRIDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.skipif(compiler() is None, reason="machine code needs a C compiler")
@pytest.mark.parametrize("place", NOWHERE)
def test_where_no_machine_code_can_be_kept_it_is_made_for_this_process(
    cache: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    NOWHERE[place](monkeypatch, cache)

    found = machine_code.library.__wrapped__()

    assert found is not None
    bytes_ = torch.tensor([0, 1, 2, 3], dtype=torch.uint8)
    machine_code.keep(found, bytes_, 2, 0.0)
    assert bytes_.tolist() == [0, 0, 1, 1]


@pytest.mark.skipif(compiler() is None, reason="machine code needs a C compiler")
def test_machine_code_that_is_kept_already_is_used_where_nothing_can_be_written(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine_code.library.__wrapped__() is not None

    def nothing(*_: object) -> None:
        raise PermissionError("read-only file system")

    for write in ("taking_turns", "write_atomically", "_compile"):
        monkeypatch.setattr(native, write, nothing)

    assert machine_code.library.__wrapped__() is not None


def test_where_no_machine_code_can_be_run_torchs_operations_drop(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", refuse)

    assert machine_code.library.__wrapped__() is None


def test_outside_of_the_context_a_relu_and_dropout_are_torchs() -> None:
    x = torch.randn(1000)
    torch.manual_seed(0)
    usual = nn.functional.dropout(x.relu(), 0.25)
    torch.manual_seed(0)

    assert torch.equal(rectify_and_drop(x, 0.25, training=True), usual)
    assert torch.equal(rectify_and_drop(x, 0.25, training=False), x.relu())


def test_who_switches_a_networks_dropout_off_switches_it_off_after_a_relu_too() -> None:
    network, images = build_network(RECIPES["fm001-mixer"]).train(), torch.randn(4, 1, 28, 28)
    answers = []
    for p in (0.5, 0.0):
        for each in network.modules():
            if isinstance(each, nn.Dropout):
                each.p = p
        with torch.no_grad(), ByteDropout():
            answers.append(torch.equal(network(images), network(images)))

    assert answers == [False, True]


def test_what_is_not_a_number_is_seen_behind_dropout() -> None:
    x = torch.full((1000,), float("nan"))
    with ByteDropout():
        assert bool(nn.functional.dropout(x, 0.5).isnan().all())
        assert bool(rectify_and_drop(x, 0.5, training=True).isnan().all())
