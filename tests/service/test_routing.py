"""Routes: a champion answers, a shadow is compared, a cascade asks its large model where the small one is unsure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from toy import write_toy

from service.__main__ import main
from service.routebook import RouteError, read_routes
from service.settings import Settings

ClientOf = Callable[[Settings], Any]
ProblemOf = Callable[[httpx.Response, int, str], dict[str, Any]]
Body = Callable[[httpx.AsyncClient], Any]
RAW = {"Content-Type": "application/octet-stream"}
# P("bright") = sigmoid(mean / 255 * 8 - 4): black is surely dark, white surely bright, mid-grey a toss-up.
BLACK, GREY, WHITE = bytes(16), bytes([128]) * 16, bytes([255]) * 16

ROUTES = {
    "production": {"champion": "toy@1"},
    "trial": {"champion": "toy@1", "shadow": {"model": "toy@2", "share": 0.5}},
    "frugal": {"cascade": {"small": "toy@1", "large": "toy@2", "threshold": 0.9}},
    "misfit": {"cascade": {"small": "toy@1", "large": "wide", "threshold": 0.9}},
    "lost": {"champion": "nobody"},
}


@pytest.fixture
def roots(toy_models: Path) -> Path:
    write_toy(toy_models, version=2)
    write_toy(toy_models, "wide", height=2, width=6, channels=3)
    (toy_models / "routing.json").write_text(json.dumps({"routes": ROUTES}))
    return toy_models


def run(client_of: ClientOf, settings: Settings, body: Body) -> None:
    async def main() -> None:
        async with client_of(settings) as client:
            await body(client)

    anyio.run(main)


async def predict(client: httpx.AsyncClient, model: str, content: bytes) -> dict[str, Any]:
    answer = await client.post(f"/predict?model={model}", content=content, headers=RAW)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def routes(client: httpx.AsyncClient) -> dict[str, Any]:
    return {each["name"]: each for each in (await client.get("/routes")).json()["routes"]}


def test_a_champion_is_another_name_for_a_model(roots: Path, client_of: ClientOf) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        answer = await predict(client, "production", WHITE)
        assert (answer["model"], answer["version"], answer["route"]) == ("toy", 1, "production")
        assert "route" not in await predict(client, "toy", WHITE)
        assert (await client.get("/v2/models/production")).json()["name"] == "production"
        assert (await client.get("/v2/models/production/ready")).status_code == 200

    run(client_of, Settings(models=(roots,)), body)


def test_a_route_may_be_the_default_and_carry_the_name_of_a_model(roots: Path, client_of: ClientOf) -> None:
    (roots / "routing.json").write_text(json.dumps({"routes": {"toy": {"champion": "toy@1"}}}))

    async def body(client: httpx.AsyncClient) -> None:
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/models")).json()["default"] == "toy@1"
        assert (await client.post("/predict", content=WHITE, headers=RAW)).json()["version"] == 1

    run(client_of, Settings(models=(roots,), default_model="toy"), body)


def test_a_cascade_asks_the_large_model_for_the_images_of_which_the_small_one_is_unsure(
    roots: Path, client_of: ClientOf
) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        answer = await predict(client, "frugal", BLACK + GREY + WHITE + GREY)

        assert [each["model"] for each in answer["predictions"]] == ["toy@1", "toy@2", "toy@1", "toy@2"]
        assert [each["label"] for each in answer["predictions"]][::2] == ["dark", "bright"]
        plain = await predict(client, "toy@1", BLACK + GREY + WHITE + GREY)
        assert [each["probability"] for each in plain["predictions"]] == pytest.approx(
            [each["probability"] for each in answer["predictions"]]
        )
        cascade = (await routes(client))["frugal"]["cascade"]
        assert (cascade["by_small"], cascade["by_large"]) == (2, 2)
        assert cascade["cost"] > 0

    run(client_of, Settings(models=(roots,)), body)


def test_a_cascade_names_who_answered_in_the_open_protocol_as_well(roots: Path, client_of: ClientOf) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        pixels = np.frombuffer(BLACK + GREY, np.uint8).tolist()
        tensor = {"name": "image", "shape": [2, 4, 4, 1], "datatype": "UINT8", "data": pixels}
        answer = (await client.post("/v2/models/frugal/infer", json={"inputs": [tensor]})).json()

        assert answer["model_name"] == "frugal"
        assert {each["name"]: each["data"] for each in answer["outputs"]}["model"] == ["toy@1", "toy@2"]
        metadata = (await client.get("/v2/models/frugal")).json()
        assert [each["name"] for each in metadata["outputs"]] == ["probabilities", "model"]

    run(client_of, Settings(models=(roots,)), body)


def test_a_shadow_gets_its_share_and_its_agreement_is_counted(roots: Path, client_of: ClientOf) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        shadow: dict[str, Any] = {}
        for place in range(8):
            assert (await predict(client, "trial", BLACK + WHITE))["version"] == 1
            with anyio.fail_after(10):  # each is compared before the next comes, so none has to be dropped
                before = shadow
                while (shadow := (await routes(client))["trial"]["shadow"]) == before and place % 2:
                    await anyio.sleep(0.01)

        assert (shadow["agreed"], shadow["differed"], shadow["dropped"], shadow["failed"]) == (8, 0, 0, 0)
        assert shadow["agreement"] == 1
        assert 'outcome="agreed"' in (await client.get("/metrics")).text

    run(client_of, Settings(models=(roots,)), body)


def test_a_shadow_is_the_first_to_be_dropped_and_never_fails_its_champion(roots: Path, client_of: ClientOf) -> None:
    (roots / "routing.json").write_text(json.dumps({"routes": {
        "busy": {"champion": "toy", "shadow": {"model": "toy@1", "share": 1}},
        "odd": {"champion": "toy", "shadow": {"model": "wide", "share": 1}},
    }}))

    async def body(client: httpx.AsyncClient) -> None:
        worker = client.app.state.worker  # type: ignore[attr-defined]
        worker.dispatch.waiting = 1
        await predict(client, "busy", BLACK)
        worker.dispatch.waiting = 0
        await predict(client, "odd", BLACK)

        with anyio.fail_after(10):
            while not (found := await routes(client))["odd"]["shadow"]["failed"]:
                await anyio.sleep(0.01)
        assert found["busy"]["shadow"]["dropped"] == 1

    run(client_of, Settings(models=(roots,)), body)


def test_a_route_whose_models_are_missing_or_do_not_fit_says_so(
    roots: Path, client_of: ClientOf, problem_of: ProblemOf
) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        for name, said in (("lost", "there is no model 'nobody'"), ("misfit", "toy@1 takes (4, 4, 1), wide@1 takes")):
            answer = await client.post(f"/predict?model={name}", content=BLACK, headers=RAW)
            assert said in problem_of(answer, 503, "not-ready")["detail"]
            route = (await routes(client))[name]
            assert not route["ready"]
            assert said in route["reason"]
        assert (await client.get("/readyz")).status_code == 200

    run(client_of, Settings(models=(roots,)), body)


def test_evaluate_scores_what_a_route_would_answer(roots: Path, client_of: ClientOf) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        from pictures import encoded

        pictures = [("images", encoded(np.full((4, 4), value, np.uint8))) for value in (0, 255, 128)]
        for model in ("production", "frugal"):
            data = {"model": model, "labels": ["dark", "bright", "bright"]}
            answer = (await client.post("/evaluate", data=data, files=pictures)).json()
            assert (answer["count"], answer["route"]) == (3, model), answer

    run(client_of, Settings(models=(roots,)), body)


def test_routes_are_read_again_with_a_reload_and_a_bad_file_changes_nothing(roots: Path, client_of: ClientOf) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        (roots / "routing.json").write_text('{"routes": {"new": {"champion": "toy"}}}')
        await client.post("/models/reload")
        assert set(await routes(client)) == {"new"}

        (roots / "routing.json").write_text('{"routes": {"new": {"champion": 1}}}')
        told = (await client.post("/models/reload")).json()
        assert told["ready"]
        assert "routes.new.champion: Input should be a valid string" in told["routes"]
        assert set(await routes(client)) == {"new"}
        assert "routing.json" in (await client.get("/routes")).json()["problem"]

    run(client_of, Settings(models=(roots,), control=True), body)


def test_a_worker_that_starts_with_a_bad_file_is_not_ready_and_answers_no_name_that_the_file_may_pin(
    roots: Path, client_of: ClientOf, problem_of: ProblemOf, caplog: pytest.LogCaptureFixture
) -> None:
    (roots / "routing.json").write_text('{"routes": {"toy": {"champion": "toy@1"},}}')

    async def body(client: httpx.AsyncClient) -> None:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "routing.json: unreadable" in ready.json()["reason"]
        told = problem_of(await client.post("/predict?model=toy", content=WHITE, headers=RAW), 503, "not-ready")
        assert "routing.json: unreadable" in told["detail"]
        assert (await client.get("/v2/models/toy/ready")).status_code == 400
        assert (await client.get("/v2/health/ready")).status_code == 400
        assert (await predict(client, "toy@2", WHITE))["version"] == 2
        assert await routes(client) == {}
        assert "weighbridge_routes_valid 0.0" in (await client.get("/metrics")).text

        (roots / "routing.json").write_text('{"routes": {"toy": {"champion": "toy@1"}}}')
        assert (await client.post("/models/reload")).json()["ready"]
        assert (await predict(client, "toy", WHITE))["version"] == 1
        assert "weighbridge_routes_valid 1.0" in (await client.get("/metrics")).text

    run(client_of, Settings(models=(roots,), control=True), body)

    assert caplog.text.count("no name is answered until it can") == 1


def test_a_default_that_no_file_can_pin_does_not_make_a_worker_ready_whose_routes_are_not_known(
    roots: Path, client_of: ClientOf
) -> None:
    (roots / "routing.json").write_text("{")

    async def body(client: httpx.AsyncClient) -> None:
        assert (await client.get("/readyz")).status_code == 503

    run(client_of, Settings(models=(roots,), default_model="toy@1"), body)


def test_a_folder_that_is_away_takes_neither_its_models_nor_its_routes_along(
    roots: Path, client_of: ClientOf, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        for there in (roots.rename(roots.with_name("aside")), roots):
            if there == roots:  # the place where a disk was mounted
                roots.mkdir()
            told = (await client.post("/models/reload")).json()
            assert told["ready"]
            assert "missing or empty" in told["routes"]
            assert (await predict(client, "production", WHITE))["version"] == 1
        assert caplog.text.count("is away") == 1

    run(client_of, Settings(models=(roots,), control=True), body)


@pytest.mark.parametrize(("text", "said"), [
    ("{", "unreadable"),
    ('{"routes": {"a": {}}}', "routes.a: Value error, a route has either a champion or a cascade"),
    ('{"routes": {"a": {"champion": "x", "cascade": {"small": "x", "large": "y", "threshold": 0.5}}}}', "has either"),
    ('{"routes": {"a": {"cascade": {"small": "x", "large": "y", "threshold": 2}}}}', "threshold: Input should be less"),
    ('{"routes": {"a": {"champion": "x", "shadow": {"model": "y", "share": 0}}}}', "share: Input should be greater"),
    ('{"routes": {"A b": {"champion": "x"}}}', "routes.A b"),
    ('{"routes": {"a": {"champion": "../x"}}}', "routes.a.champion"),
    ('{"routes": {"a": {"champion": "x", "canary": 1}}}', "canary: Extra inputs are not permitted"),
])
def test_a_file_of_routes_that_cannot_be_used_names_the_place_and_the_reason(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "routing.json").write_text(text)

    with pytest.raises(RouteError) as caught:
        read_routes(tmp_path / "routing.json")

    assert str(caught.value).startswith(str(tmp_path / "routing.json"))
    assert said in str(caught.value)


def test_the_table_of_thresholds_runs_from_the_small_model_alone_to_the_large_one_alone(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_MODELS", str(models))

    assert main(["cascade", "toy@1", "toy@2", "halves"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[2].startswith("| 0 | 90.00% | 100.0% |")
    assert printed[12].startswith("| 1 | 90.00% | 0.0% |")
    assert "validation split" in printed[-1]

    assert main(["cascade", "toy", "wide", "halves"]) == 1
    assert "takes (4, 4, 1)" in capsys.readouterr().err


def test_routes_may_be_written_as_toml(tmp_path: Path) -> None:
    (tmp_path / "routing.toml").write_text('[routes.a]\nchampion = "x@2"\n')

    assert read_routes(tmp_path / "routing.toml")["a"].champion == "x@2"
