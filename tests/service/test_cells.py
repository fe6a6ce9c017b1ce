"""Images behind a cell of a confusion matrix: the right ones, in the right order, from splits and from uploads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from service.cells import PER_CELL, cells_of
from service.labelled import Arrays
from service.wire import SplitUsed


def as_if(sure: list[float], labels: list[int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Probabilities that say class 0 with what is given."""
    return np.array([[each, 1 - each] for each in sure], np.float32), np.array(labels)


def test_mistakes_come_the_surest_first_and_hits_the_least_sure_first() -> None:
    probabilities, labels = as_if([0.6, 0.9, 0.8, 0.7, 0.1], [1, 1, 0, 0, 1])
    material = Arrays(np.zeros((5, 2, 2, 1), np.uint8), labels, SplitUsed(name="split", sha256="0" * 64))

    cells = {(cell.label, cell.predicted): cell for cell in cells_of(probabilities, material)}

    assert cells[1, 0].places == [1, 0]
    assert cells[0, 0].places == [3, 2]
    assert cells[1, 1].places == [4]
    assert cells[1, 0].thumbnails is None
    assert set(cells) == {(1, 0), (0, 0), (1, 1)}


def test_a_cell_keeps_a_few_of_many() -> None:
    probabilities, labels = as_if([0.9] * 100, [1] * 100)
    material = Arrays(np.zeros((100, 2, 2, 1), np.uint8), labels, SplitUsed(name="split", sha256="0" * 64))

    (cell,) = cells_of(probabilities, material)

    assert len(cell.places) == len(cell.probabilities) == PER_CELL


def test_images_of_a_job_are_those_of_its_matrix_and_what_it_does_not_have_is_refused(
    http: httpx.Client, problem_of: Callable[..., Any]
) -> None:
    job = http.post("/evaluate", json={"model": "toy@1", "job": True, "limit": 60}).json()
    while (found := http.get(job["url"]).json())["state"] in ("queued", "running"):
        time.sleep(0.1)
    result = http.get(found["result"]).json()

    for label in (0, 1):
        for predicted in (0, 1):
            cell = http.get(f"{job['url']}/images", params={"label": label, "predicted": predicted}).json()
            assert cell["count"] == result["confusion"][label][predicted]
            assert len(cell["images"]) == min(PER_CELL, cell["count"])
            for image in cell["images"]:
                shown = http.get(image["url"])
                assert shown.headers["x-weighbridge-label"] == cell["label"]
    assert "cells" not in result
    for query in ("label=2&predicted=0", "label=0", "label=0&predicted=-1", "label=0&predicted=0&of=other"):
        problem_of(http.get(f"{job['url']}/images?{query}"), 422, "bad-value")
