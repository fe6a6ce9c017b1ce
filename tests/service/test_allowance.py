"""What JSON may hold: everything that can be answered, and little more, whatever it is made of."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import numpy as np
import pytest

from service.allowance import FREE, MOST, SPARE, Allowance, Shape
from service.card import CARD_FILE, read_card
from service.problems import Problem
from service.settings import BUNDLED_MODELS, Settings

IMAGES = Settings().max_images
BUNDLED = {read_card(path.parent).input.shape for path in BUNDLED_MODELS.glob(f"*/*/{CARD_FILE}")}


def nested(count: int, shape: Shape) -> list[Any]:
    return np.full((count, *shape), 255).tolist()  # type: ignore[no-any-return]


def triton(count: int, shape: Shape, data: list[Any]) -> dict[str, Any]:
    tensor = {"name": "image", "shape": [count, *shape], "datatype": "UINT8", "data": data}
    return {"id": "a", "inputs": [tensor], "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]}


@pytest.mark.parametrize("shape", sorted(BUNDLED))
def test_as_many_images_as_may_be_sent_fit_for_every_bundled_model(shape: Shape) -> None:
    images = nested(IMAGES, shape)
    flat = np.ravel(images).tolist()
    allowance = Allowance.of(IMAGES, BUNDLED)

    for request in ({"images": images, "model": "x", "top_k": 3}, triton(IMAGES, shape, images),
                    triton(IMAGES, shape, flat)):
        allowance.check(json.dumps(request, indent=1).encode())


@pytest.mark.parametrize("shape", [(224, 224, 3), (1024, 1024, 3)])
def test_of_large_images_one_fits_and_as_many_as_the_limit_holds(shape: Shape) -> None:
    each = 1 + shape[0] + shape[0] * shape[1] * (1 + shape[2])
    count = max(1, MOST // each)

    Allowance.of(IMAGES, [shape, (28, 28, 1)]).check(json.dumps({"images": nested(count, shape)}).encode())


def test_texts_may_be_as_long_as_the_body() -> None:
    files = [b64encode(bytes(30_000)).decode()] * IMAGES
    allowance = Allowance.of(IMAGES, BUNDLED)

    allowance.check(json.dumps({"images": files}).encode())
    allowance.check(json.dumps({"images": [f"data:image/png;base64,{file}" for file in files]}).encode())


@pytest.mark.parametrize("piece", [b"[]", b"1", b"1.5", b'""', b"{}", b'{"":1}', b"[[[[]]]]", b"null"])
def test_what_is_cheap_to_send_and_dear_to_keep_is_refused_with_limit_and_cure(piece: bytes) -> None:
    allowance = Allowance.of(IMAGES, BUNDLED)

    with pytest.raises(Problem) as caught:
        allowance.check(b'{"image":[' + b",".join([piece] * 2_000_000) + b"]}")

    problem = caught.value
    assert (problem.slug, problem.field) == ("body-too-large", "body")
    assert problem.limit is not None
    assert str(problem.limit) in problem.detail
    assert problem.cure


def test_where_no_images_are_read_next_to_nothing_is_allowed() -> None:
    Allowance().check(b'{"split":"' + b"x" * FREE + b'"}')

    with pytest.raises(Problem, match=f"more than {SPARE} values"):
        Allowance().check(b'{"split":' + b"1," * FREE)


def test_a_short_body_is_not_counted() -> None:
    Allowance().check(b"[" * FREE)
