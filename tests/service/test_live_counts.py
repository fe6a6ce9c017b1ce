"""GET /live: counts that grow by what was asked, per model, and what was refused after its model was found."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from service.live import offers_load
from service.settings import Settings

RAW = {"Content-Type": "application/octet-stream"}


def test_counts_grow_by_what_was_asked(http: httpx.Client) -> None:
    http.post("/predict?model=toy@2", content=bytes(16), headers=RAW)
    before = http.get("/live").json()
    http.post("/predict?model=toy@2", content=bytes(48), headers=RAW)
    http.post("/predict?model=toy@2", content=bytes(15), headers=RAW)
    after = http.get("/live").json()

    def of(state: dict, name: str) -> int:
        return next(model for model in state["models"] if model["model"] == "toy@2")[name]

    assert of(after, "requests") - of(before, "requests") == 1
    assert of(after, "images") - of(before, "images") == 3
    assert after["statuses"]["200"] - before["statuses"]["200"] == 1
    assert sum(after["seconds"]) - sum(before["seconds"]) == 2
    assert after["refused"]["toy@2"]["wrong-shape"] - before["refused"].get("toy@2", {}).get("wrong-shape", 0) == 1
    assert len(after["seconds"]) == len(after["second_bounds"]) + 1


@pytest.mark.parametrize(("keys", "asked", "offered"), [
    (None, None, True), (Path("keys"), None, False), (Path("keys"), True, True), (None, False, False),
])
def test_a_load_is_offered_as_the_operator_says_and_else_where_no_keys_are_wanted(
    keys: Path | None, asked: bool | None, offered: bool
) -> None:
    assert offers_load(Settings(api_keys=keys, page_load=asked)) is offered
