"""Models come, change and go while the server serves: in every worker, at once, and never for the worse."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from process import Process, running
from toy import probabilities, write_toy
from tritonclient.utils import InferenceServerException

from service.control import PREFIX, Control, Wish
from service.settings import Settings

ClientOf = Callable[[Settings], Any]
MANY = 16  # requests, each on a connection of its own, so that both workers get some
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("live")
    write_toy(root)
    write_toy(root, version=2)
    write_toy(root, "wide", height=2, width=6, channels=3)
    return root


@pytest.fixture(scope="module")
def two(roots: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Two workers whose models may be changed through the API."""
    with running(
        roots, tmp_path_factory.mktemp("home"), WEIGHBRIDGE_WORKERS="2", WEIGHBRIDGE_DEFAULT_MODEL="toy",
        WEIGHBRIDGE_CONTROL="true",
    ) as process:
        yield process


@pytest.fixture(scope="module")
def client(two: Process) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(two.url.removeprefix("http://")) as client:
        yield client


def everywhere(two: Process, path: str) -> set[int]:
    return {httpx.get(two.url + path).status_code for _ in range(MANY)}


def versions(two: Process) -> set[int]:
    answers = [httpx.post(f"{two.url}/predict", content=bytes(16), headers=RAW).json() for _ in range(MANY)]
    return {answer["version"] for answer in answers}


def test_an_unloaded_model_is_gone_from_every_worker_and_comes_back(
    two: Process, client: triton.InferenceServerClient
) -> None:
    client.unload_model("wide")
    assert everywhere(two, "/v2/models/wide/ready") == {400}
    deadline = time.monotonic() + 20
    while 'weighbridge_model_ready{model="wide@1"}' in (told := httpx.get(f"{two.url}/metrics").text):
        assert time.monotonic() < deadline  # every worker says so within a second
        time.sleep(0.1)
    assert 'weighbridge_model_ready{model="toy@1"} 1.0' in told
    assert client.get_model_repository_index()[-1] == {
        "name": "wide", "version": "1", "state": "UNAVAILABLE", "reason": "it was unloaded through the API",
    }

    client.load_model("wide")
    assert everywhere(two, "/v2/models/wide/ready") == {200}


def test_one_version_can_be_unloaded_and_the_name_falls_back_to_the_one_before(
    two: Process, client: triton.InferenceServerClient
) -> None:
    client.unload_model("toy@2")
    assert versions(two) == {1}

    client.load_model("toy")
    assert versions(two) == {2}


def test_a_version_can_be_loaded_while_its_name_stays_unloaded() -> None:
    def unloaded(wish: Wish) -> list[int]:
        return [version for version in (1, 2) if wish.unwanted("toy", version)]

    wish = Wish().unload("toy")
    assert unloaded(wish) == [1, 2]
    assert unloaded(wish := wish.load("toy@1")) == [2]
    assert unloaded(wish.unload("toy@1")) == unloaded(wish.unload("toy")) == [1, 2]
    assert unloaded(wish := wish.load("toy")) == []
    assert unloaded(wish.unload("toy@2").load("toy@2")) == []
    assert not Wish().unload("toy").unwanted("toys", 1)


def test_a_new_version_is_served_after_a_reload_and_a_corrupt_one_never(two: Process, roots: Path) -> None:
    folder = write_toy(roots, version=3)
    httpx.post(f"{two.url}/models/reload").raise_for_status()
    assert versions(two) == {3}

    good = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(good[:-1])
    told = httpx.post(f"{two.url}/models/reload").json()
    assert versions(two) == {3}  # goes on with what was checked
    assert told["ready"]
    for path, of in (("/readyz", "models"), ("/models", "models")):
        entries = httpx.get(two.url + path).json()[of]
        (reason,) = {each["reason"] for each in entries if each.get("reason")}
        assert "a version that was refused, so the one before goes on" in reason
        assert "its card says" in reason

    with triton.InferenceServerClient(two.url.removeprefix("http://")) as client:
        with pytest.raises(InferenceServerException, match="goes on") as caught:
            client.load_model("toy")
        assert caught.value.status() == "409"
        (folder / "model.onnx").write_bytes(good)
        client.load_model("toy")
    assert httpx.get(f"{two.url}/readyz").text.count("reason") == 0

    shutil.rmtree(folder)
    httpx.post(f"{two.url}/models/reload").raise_for_status()
    assert versions(two) == {2}


def test_no_request_is_lost_or_answered_wrongly_while_models_are_loaded_again(
    two: Process, client: triton.InferenceServerClient
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 4, 4, 1), dtype=np.uint8)
    expected, stop, wrong, count = probabilities(images), threading.Event(), list[object](), list[int]()

    def hammer() -> None:
        with triton.InferenceServerClient(two.url.removeprefix("http://")) as mine:
            tensor = triton.InferInput("image", list(images.shape), "UINT8").set_data_from_numpy(images)
            while not stop.is_set():
                try:
                    found = mine.infer("toy", [tensor]).as_numpy("probabilities")
                    count.append(1)
                    if not np.allclose(found, expected, atol=1e-5):
                        wrong.append(found)
                except InferenceServerException as error:
                    wrong.append(error)

    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        client.load_model("toy")
    stop.set()
    for thread in threads:
        thread.join()

    assert not wrong
    assert count


def test_an_unknown_model_or_a_configuration_of_ones_own_cannot_be_loaded(client: triton.InferenceServerClient) -> None:
    for call, status in (
        (lambda: client.load_model("nobody"), "404"),
        (lambda: client.unload_model("nobody"), "404"),
        (lambda: client.load_model("toy", config=json.dumps({})), "422"),
    ):
        with pytest.raises(InferenceServerException) as caught:
            call()
        assert caught.value.status() == status


def run(client_of: ClientOf, settings: Settings, body: Callable[[httpx.AsyncClient], Any]) -> None:
    async def main() -> None:
        async with client_of(settings) as client:
            await body(client)

    anyio.run(main)


def test_a_watched_folder_is_followed_without_being_told(toy_models: Path, client_of: ClientOf) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        write_toy(toy_models, version=7)
        with anyio.fail_after(20):
            while (await client.get("/models/toy")).json()["versions"] != [1, 7]:
                await anyio.sleep(0.02)
            while not (await client.get("/models/toy@7")).json()["model"]["ready"]:
                await anyio.sleep(0.02)
            shutil.rmtree(toy_models / "toy" / "7")
            while (await client.get("/models/toy")).json()["versions"] != [1]:
                await anyio.sleep(0.02)

    run(client_of, Settings(models=(toy_models,), watch_s=0.01), body)


def test_readiness_is_told_of_versions_that_are_there_failed_ones_included_and_of_no_other(
    toy_models: Path, client_of: ClientOf
) -> None:
    async def ready(client: httpx.AsyncClient) -> dict[str, str]:
        text = (await client.get("/metrics")).text
        return dict(re.findall(r'^weighbridge_model_ready\{model="(.*)"\} (\S+)$', text, re.MULTILINE))

    async def body(client: httpx.AsyncClient) -> None:
        folder = write_toy(toy_models, version=2)
        (write_toy(toy_models, version=3) / "model.onnx").write_bytes(b"not a graph")
        await client.post("/models/reload")
        assert await ready(client) == {"toy@1": "1.0", "toy@2": "1.0", "toy@3": "0.0"}

        shutil.rmtree(folder)
        await client.post("/models/reload")
        assert await ready(client) == {"toy@1": "1.0", "toy@3": "0.0"}

        write_toy(toy_models, version=2)
        await client.post("/models/reload")
        assert (await ready(client))["toy@2"] == "1.0"

    run(client_of, Settings(models=(toy_models,), control=True), body)


def test_a_root_that_is_away_for_a_moment_unloads_nothing(toy_models: Path, client_of: ClientOf) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        toy_models.rename(toy_models.with_name("away"))
        assert (await client.post("/models/reload")).json()["models"] == [{"model": "toy@1", "state": "ready"}]

    run(client_of, Settings(models=(toy_models,), control=True), body)


def test_an_unload_lets_requests_finish_and_gives_the_session_back(toy_models: Path, client_of: ClientOf) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        worker = client.app.state.worker  # type: ignore[attr-defined]
        begun = anyio.Event()
        entry = worker.shelf.find("toy")
        opened = entry.opened["onnxruntime"]
        session = weakref.ref(opened.run)

        class Slow:
            name, device = opened.run.name, opened.run.device

            def __init__(self, run: Any) -> None:
                self.run = run

            def __call__(self, images: Any) -> Any:
                loop.call_soon_threadsafe(begun.set)
                time.sleep(0.3)
                return self.run(images)

        loop = asyncio.get_running_loop()
        entry.opened["onnxruntime"] = dataclasses.replace(opened, run=Slow(opened.run), image_s=1.0)
        del entry, opened
        statuses = []

        async def ask() -> None:
            statuses.append((await client.post("/predict", content=bytes(16), headers=RAW)).status_code)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await begun.wait()
            assert (await client.post("/v2/repository/models/toy/unload")).status_code == 200
            assert statuses == [200]  # the unload waited for it
        await ask()
        assert statuses == [200, 503]
        assert session() is None
        assert worker.shelf.leaving == 0

    run(client_of, Settings(models=(toy_models,), control=True, inline_ms=0), body)


def test_a_worker_that_is_started_anew_keeps_to_what_was_asked_before(toy_models: Path, client_of: ClientOf) -> None:
    settings = Settings(models=(toy_models,), control=True)

    async def unload(client: httpx.AsyncClient) -> None:
        assert (await client.post("/v2/repository/models/toy/unload")).status_code == 200

    async def look(client: httpx.AsyncClient) -> None:
        (entry,) = (await client.get("/readyz")).json()["models"]
        assert entry == {"model": "toy@1", "state": "unloaded", "reason": "it was unloaded through the API"}
        assert (await client.post("/v2/repository/models/toy/load")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200

    run(client_of, settings, unload)
    run(client_of, settings, look)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_wish_is_kept_in_a_folder_that_nobody_else_can_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    control = Control(Settings(workers=workers))
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700

    folder.chmod(0o755)
    with pytest.raises(PermissionError, match="not private"), control.changing():
        pass


@pytest.mark.parametrize("cleaned", ["wish.json", ""], ids=["the file", "the folder"])
def test_a_wish_that_is_cleaned_away_stays_in_force_and_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cleaned: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    control = Control(Settings(workers=2))
    with control.changing() as wish:
        control.write(wish.unload("toy"))
    (folder,) = tmp_path.iterdir()

    if cleaned:
        (folder / cleaned).unlink()
    else:
        shutil.rmtree(folder)

    assert control.read().unwanted("toy", 1)
    assert Control(Settings(workers=2)).read() == control.read()  # a worker that is started anew


def test_a_wish_in_a_folder_of_somebody_else_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Control(Settings())
    (folder,) = tmp_path.iterdir()
    folder.chmod(0o777)  # as good as another owner's
    (folder / "wish.json").write_text('{"generation": 1, "unloaded": ["toy"], "loaded": [], "again": {}}')

    assert Control(Settings()).read() == Wish()
    with pytest.raises(PermissionError, match="not private"):
        Control(Settings(workers=2))


def test_one_worker_that_cannot_write_anywhere_serves_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))

    assert Control(Settings()).read() == Wish()


def test_what_ended_servers_left_behind_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = tmp_path / f"{PREFIX}{os.getuid()}-4194305-1-abc"
    dead.mkdir()
    control = Control(Settings(workers=2))

    control.tidy()

    assert not dead.exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_reloading_is_refused_unless_the_operator_allows_it(
    http: httpx.Client, problem_of: Callable[[httpx.Response, int, str], dict[str, Any]]
) -> None:
    problem_of(http.post("/models/reload"), 403, "control-off")
