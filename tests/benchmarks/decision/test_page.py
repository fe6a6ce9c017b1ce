"""The page and the pictures of a decision, made by hand: what the first screen says, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from browser import DESK, PHONE, looking, needs_browser

from benchmarks import readme, screenshots
from benchmarks.comparison.run import RunError
from benchmarks.decision import told
from benchmarks.decision.page import write_page
from benchmarks.decision.pictures import accuracy_capacity, tail_rate
from benchmarks.decision.publish import publish, published
from benchmarks.decision.verdict import decide
from benchmarks.decision.words import short_table
from benchmarks.machine.fingerprint import fingerprint

WISH = {"slo": "p99=20ms", "objective_text": "p99 ≤ 20 ms", "min_accuracy": 0.85, "rate": 200.0, "objective": "cost",
        "price_per_hour": 0.05, "screening": False, "root": "models"}


def probe(rate: float, ms: float, trial: int = 0) -> dict[str, Any]:
    return {"rate": rate, "trial": trial, "percentile_us": 1000 * ms, "interval_us": [900 * ms, 1100 * ms],
            "passed": ms <= 20, "stopped_early": ms > 20, "requests": 3304, "over": 3, "blame": None}


def configuration(name: str, top1: float, capacity: tuple[float, float] | None, **changes: Any) -> dict[str, Any]:
    around = {"top1": top1, "interval": [top1 - 0.005, top1 + 0.005], "n": 10_000, "correct": 1}
    curve = [probe(0.5 * capacity[0], 2.0), probe(capacity[0], 9.0), probe(capacity[1], 60.0)] if capacity else []
    parts = {"parse": 0.1, "decode": 0.2, "queue": 0.1, "infer": 0.3, "encode": 0.1, "HTTP and client": 0.4}
    return {
        "id": f"{name}@1-onnxruntime-t1-w1", "label": f"{name}, onnxruntime, 1 thread", "name": name,
        "model": f"{name}@1", "runtime": "onnxruntime", "device": "cpu", "threads": 1, "workers": 1, "cores": 1,
        "max_batch": 32, "max_wait_ms": 0.0, "usual_policy": True, "pinned_to": [0],
        "command": f"WEIGHBRIDGE_MODELS=models WEIGHBRIDGE_DEFAULT_MODEL={name}@1 WEIGHBRIDGE_RUNTIME=onnxruntime "
                   "WEIGHBRIDGE_DEVICE=cpu WEIGHBRIDGE_THREADS=1 WEIGHBRIDGE_WORKERS=1 python -m bentoml serve .",
        "card_accuracy": around, "accuracy": around | {"n": 5000}, "image_shape": [28, 28, 1], "flips": None,
        "forward_us": {"p50": 100.0, "p90": 110.0, "joined": 90.0}, "unavailable": None, "dominated": None,
        "problem": None, "caching": None, "single": {"p50_us": 900.0, "p99_us": 1800.0, "n": 700},
        "capacity": capacity and {"pass_rate": capacity[0], "fail_rate": capacity[1], "blame": None, "probes": curve,
                                  "bound_by": "latency"},
        "at_rate": probe(200, 3.2) | {"joules_per_million": None}, "curve": curve,
        "passes": [{"pass": n, "began": "2026-11-21T13:00:00Z", "bracket": capacity or [None, None],
                    "probes": [f"rate-{point['rate']:g}-1" for point in curve],
                    "at_rate": probe(200, 3 + n / 10) | {"joules_per_million": None}} for n in (1, 2)],
        "parts": [{"label": "half of capacity", "rate": 100.0, "mean": parts, "slowest": parts}] if capacity else [],
        "resources": {"server_cpu": 0.7, "server_rss_bytes": 3 * 10**8, "generator_cpu": 0.2, "gpu_utilisation": None,
                      "gpu_memory_bytes": None, "energy_unknown": "no RAPL counters", "gpu_unknown": "no GPU is here"},
    } | changes


@pytest.fixture
def result() -> dict[str, Any]:
    """Two that fit, one that is too slow, one that is not accurate enough."""
    entries = [
        configuration("fast", 0.93, (800.0, 838.0)), configuration("small", 0.89, (700.0, 735.0)),
        configuration("slow", 0.94, (120.0, 126.0)),
        configuration("rough", 0.82, None, at_rate=None, passes=[], accuracy=None, single=None, resources=None),
    ]
    decision = decide(entries, WISH)
    return {
        "schema_version": 1, "run_id": "weigh-by-hand", "created": "2026-11-21T13:00:00Z", "finished": "later",
        "command": "python -m benchmarks weigh --slo p99=20ms --min-accuracy 0.85 --rate 200", "wish": WISH,
        "machine": fingerprint(), "cores": "server on core 0, generator on core 1", "warnings": [],
        "left_out": ["no GPU"],
        "calibration": {"floor_p50_us": 300, "floor_p99_us": 700, "most_rate": 4000.0, "limited_by": "its lag"},
        "datasets": {}, "seeds": [0], "decision": decision,
        "configurations": sorted(entries, key=lambda entry: entry["rank"]),
        "validity": {"valid": True, "reasons": [], "notes": [], "advice": []},
    }


def test_what_speaks_against_each_other_one_is_told_beside_the_recommendation(result: dict[str, Any]) -> None:
    assert result["decision"]["recommended"].startswith("fast@1")
    rest = result["decision"]["because"]
    assert result["decision"]["ties"]
    assert rest == ["slow: too little capacity.", "rough: not accurate enough."]


def test_many_that_are_dominated_are_folded_away_in_a_document(result: dict[str, Any]) -> None:
    few = short_table(result)
    loser = result["configurations"][-1]
    result["configurations"] += [
        loser | {"id": f"{n}", "model": f"loser {n}@1", "dominated": "dominated: fast is better"} for n in range(6)
    ]

    many = short_table(result)

    assert "<details>" not in few
    shown, _, folded = many.partition(
        "<details><summary>6 that another one dominates or does not differ from</summary>\n\n|")
    assert "rough" in shown
    assert "loser" not in shown
    assert folded.count("| no | loser") == 6


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESK), ("dark", DESK), ("light", PHONE)])
def test_the_first_screen_says_what_to_deploy_with_which_command_and_why(
    result: dict[str, Any], tmp_path: Path, scheme: str, viewport: dict[str, int]
) -> None:
    page = write_page(tmp_path / "decision.html", result)

    with looking(page, scheme=scheme, viewport=viewport) as look:
        assert look.view.locator(".winner").inner_text() == "fast, onnxruntime, 1 thread"
        assert "800 to 838/s with p99 ≤ 20 ms, 4.0 times the 200/s" in look.view.locator(".lead").inner_text()
        assert look.view.locator(".command").inner_text() == result["decision"]["command"]
        assert look.bottom(".command") < viewport["height"]
        if viewport == DESK:
            assert look.bottom("h3 + ul") < viewport["height"]
        assert look.view.locator(".js-plotly-plot .main-svg").count() > 0
        assert look.too_wide() <= 0
        assert look.is_light("body", "backgroundColor") == (scheme == "light")
        assert look.is_light(".js-plotly-plot text", "fill") == (scheme == "dark")
        printed = look.view.pdf()
        look.view.emulate_media(media="print", color_scheme=scheme)
        on_paper = look.is_light("body", "backgroundColor"), look.is_light(".winner", "color")

    assert printed.startswith(b"%PDF")
    assert on_paper == (True, False)
    assert look.errors == []
    assert look.requested == [page.as_uri()]


def test_the_pictures_are_well_formed_and_the_same_every_time(result: dict[str, Any]) -> None:
    for draw in (accuracy_capacity, tail_rate):
        svg = draw(result)

        assert svg == draw(json.loads(json.dumps(result)))
        texts = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
        assert {"fast", "small", "slow"} <= set(texts)
        assert "prefers-color-scheme: dark" in svg


def test_only_a_valid_answer_is_published_and_the_documents_are_made_from_it(
    result: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invalid = {"valid": False, "reasons": [{"code": "x", "reason": "the machine was busy"}], "advice": ["wait"],
               "notes": []}
    for changes, said in (({"validity": invalid}, "the machine was busy"),
                          ({"wish": WISH | {"screening": True}}, "only screens"),
                          ({"decision": result["decision"] | {"recommended": None}}, "recommends nothing")):
        with pytest.raises(RunError, match=said):
            publish(result | changes, tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(told.decisions, "__defaults__", (tmp_path,))
    assert told.decision() == told.headline()
    assert told.decision().startswith("No decision is committed yet")

    path = publish(result, tmp_path)

    assert result["decision"]["sentence"] in told.headline()
    assert result["decision"]["sentence"] in told.decision()
    assert re.search(r"\| \*\*deploy\*\* \| fast \| 93.00 % \| 800 to 838 \|", told.decision())
    drawn = {picture.name for picture in readme.pictures() if not picture.stem.endswith("-roofline")}
    assert drawn == {f"{path.stem}-accuracy-capacity.svg", f"{path.stem}-tail-rate.svg"}


def test_a_decision_on_another_data_set_stands_beside_the_usual_one_and_after_it(
    result: dict[str, Any], tmp_path: Path
) -> None:
    usual, other = (publish(result | {"datasets": {name: {"dataset": name}}}, tmp_path)
                    for name in ("fashion-mnist", "cifar10"))

    assert other.name == usual.name.replace(".json", "-cifar10.json")
    assert published(tmp_path) == [usual, other]


def test_the_newest_decision_comes_first_and_an_older_one_of_another_machine_is_folded_away(
    result: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told.decisions, "__defaults__", (tmp_path,))
    for cpu, day, data in (("Zeta", "2026-11-28", "fashion-mnist"), ("Alpha", "2026-11-21", "fashion-mnist"),
                           ("Alpha", "2026-11-29", "cifar10")):
        publish(result | {"machine": result["machine"] | {"cpu": cpu}, "created": f"{day}T10:00:00Z",
                          "datasets": {data: {"dataset": data}}}, tmp_path)

    text = told.decision()

    assert told.headline().startswith("> On fashion-mnist, Zeta")
    newest, older, other = (text.index(f"On {where}") for where in (
        "fashion-mnist, Zeta", "fashion-mnist, Alpha", "cifar10, Alpha"))
    assert newest < older < other
    assert re.findall(r"<details><summary>On fashion-mnist, (\w+).*?, earlier: Deploy", text) == ["Alpha"]
    assert f"Of {len(result['configurations'])} configurations: " in told.headline()


@pytest.mark.slow
@needs_browser
@pytest.mark.browser
def test_screenshots_are_taken_of_a_decision_and_small_enough_to_commit(
    result: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "decision.json").write_text(json.dumps(result))

    code = screenshots.main(["--result", str(tmp_path / "decision.json"), "--output", str(tmp_path / "pictures")])

    assert code == 0
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "weigh-dark.webp", "weigh-light.webp", "weigh-phone.webp"]
