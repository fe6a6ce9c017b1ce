"""The Grafana dashboard asks only for what there is: every series and every label it names is one of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from process import REPOSITORY

from service.metrics import FAMILIES

DASHBOARD = json.loads((REPOSITORY / "docs" / "grafana" / "weighbridge.json").read_text())
SUFFIXES = ("_bucket", "_sum", "_count")
SERIES = {
    **{family.name: family for family in FAMILIES if not family.buckets},
    **{family.name + suffix: family for family in FAMILIES if family.buckets for suffix in SUFFIXES},
}
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> Iterator[str]:
    for panel in PANELS:
        yield from (target["expr"] for target in panel["targets"])
    yield from (variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query")


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_a_query_names_series_and_labels_that_exist(query: str) -> None:
    found = re.findall(r"\b(weighbridge_\w+)(?:\{([^}]*)\})?", query)

    assert found
    labels: set[str] = {"le", "job"}
    for name, chosen in found:
        assert name in SERIES
        assert {part.split("=")[0].rstrip("!~") for part in chosen.split(",") if part} <= {*SERIES[name].labels, "job"}
        labels |= set(SERIES[name].labels)
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        assert {label.strip() for label in grouped.split(",")} <= labels


def test_every_family_is_on_a_panel() -> None:
    asked = " ".join(queries())

    missing = {family.name for family in FAMILIES if not re.search(rf"\b{family.name}(_bucket|_sum|_count)?\b", asked)}

    assert missing == set()


def test_panels_say_what_they_show_and_do_not_overlap() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS]

    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_the_documents_list_every_metric() -> None:
    text = (REPOSITORY / "docs" / "operations.md").read_text()

    assert {family.name for family in FAMILIES} == set(re.findall(r"`(weighbridge_\w+)`", text))
