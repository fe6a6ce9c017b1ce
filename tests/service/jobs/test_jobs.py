"""Jobs on real servers: accepted, followed, finished, cancelled, and never lost when something dies."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pictures import encoded, grey
from process import Process, running
from toy import CLASSES, probabilities, write_toy

from service.card import read_card
from service.images import Decoded
from service.ingress import to_pixels
from service.jobs import runner
from service.jobs.lock import is_held, take
from service.jobs.store import ATTEMPTS, FILE, Contender, Full, Plan, Store
from service.settings import Settings
from service.splits import write_split
from service.wire import EvaluateAnswer, Job

ProblemOf = Callable[[httpx.Response, int, str], dict[str, Any]]
COUNT = 20_000
QUICK = {"WEIGHBRIDGE_JOB_SHARE": "1", "WEIGHBRIDGE_DEFAULT_MODEL": "toy"}  # the tests' machine may be busy otherwise


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """toy@1, toy@2, a split of 20,000 images with a few wrong labels; `other` differs in its classes."""
    root = tmp_path_factory.mktemp("jobs")
    write_toy(root)
    write_toy(root, version=2)
    images = np.random.default_rng(7).integers(0, 256, (COUNT, 4, 4, 1), dtype=np.uint8)
    labels = probabilities(images).argmax(axis=1).astype(np.uint8)
    labels[:30] ^= 1
    write_split(root / "splits" / "many", images, labels, dataset="toy", split="test", classes=CLASSES, licence="CC0")
    return root


@pytest.fixture(scope="module")
def server(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running(shelf, tmp_path_factory.mktemp("home"), **QUICK, WEIGHBRIDGE_EVALUATE_AT_ONCE="500") as process:
        yield process


@pytest.fixture
def http(server: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def until(http: httpx.Client, url: str, true: Callable[[Job], bool]) -> Job:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        job = Job.model_validate_json(http.get(url).content)
        if true(job):
            return job
        time.sleep(0.02)
    pytest.fail(f"the job stays {job}")


def caught_in_the_middle(http: httpx.Client) -> str:
    """The address of a job of many small steps that has scored something and not everything."""
    for _ in range(10):  # a quick machine may be done before it is looked at
        url: str = http.post("/evaluate", json={"batch_size": 1, "job": True}).headers["location"]
        if until(http, url, lambda job: job.done > 0 or ended(job)).state == "running":
            return url
    pytest.fail("every job ended before it was seen to begin")


def ended(job: Job) -> bool:
    return job.state in ("done", "failed", "cancelled")


def test_a_large_evaluation_becomes_a_job_with_the_same_result_as_at_once(http: httpx.Client) -> None:
    accepted = http.post("/evaluate", json={"split": "many", "compare": "toy@1", "batch_size": 256})

    assert accepted.status_code == 202, accepted.text
    job = until(http, accepted.headers["location"], ended)
    assert (job.state, job.progress, job.done, job.images, job.attempts) == ("done", 1.0, 2 * COUNT, COUNT, 1)
    assert job.result is not None
    later = EvaluateAnswer.model_validate_json(http.get(job.result).content)
    now = EvaluateAnswer.model_validate_json(
        http.post("/evaluate", json={"split": "many", "compare": "toy@1", "batch_size": 256, "job": False}).content
    )
    clock = {"latency", "throughput", "made"}
    assert later.model_dump(exclude=clock | {"comparison"}) == now.model_dump(exclude=clock | {"comparison"})
    assert later.comparison is not None
    assert (later.correct, later.comparison.difference, later.comparison.p_value) == (COUNT - 30, 0.0, 1.0)
    assert job.id in [each["id"] for each in http.get("/evaluate/jobs").json()["jobs"]]


@pytest.mark.parametrize("asking", [{"json": {"job": True, "limit": 9}}, {"headers": {"Prefer": "respond-async"}}])
def test_any_evaluation_becomes_a_job_when_asked(http: httpx.Client, asking: dict[str, Any]) -> None:
    accepted = http.post("/evaluate", **{"json": {"limit": 9}, **asking})

    assert accepted.status_code == 202
    assert until(http, accepted.headers["location"], ended).state == "done"


def test_a_job_is_cancelled_and_then_forgotten(http: httpx.Client, problem_of: ProblemOf) -> None:
    url = http.post("/evaluate", json={"batch_size": 1}).headers["location"]

    http.delete(url).raise_for_status()
    assert until(http, url, ended).state == "cancelled"
    problem_of(http.get(f"{url}/result"), 409, "job-unfinished")
    assert http.delete(url).status_code == 204
    problem_of(http.get(url), 404, "unknown-job")


def test_a_job_that_cannot_be_done_says_why(http: httpx.Client, problem_of: ProblemOf) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("dark/a.png", b"no image")

    accepted = http.post("/evaluate", files={"data": data.getvalue()}, data={"job": "true"})

    url = accepted.headers["location"]

    job = until(http, url, ended)
    assert job.state == "failed"
    assert job.problem is not None
    assert "dark/a.png" in job.problem.detail
    problem_of(http.get(f"{url}/result"), 415, "unsupported-image-format")


def test_a_job_goes_on_when_its_runner_is_killed_in_the_middle(server: Process, http: httpx.Client) -> None:
    url = caught_in_the_middle(http)

    (runner,) = [pid for pid, line in processes_of(server).items() if b"service.jobs" in line]
    os.kill(runner, signal.SIGKILL)

    job = until(http, url, ended)
    assert (job.state, job.attempts) == ("done", 2)
    assert EvaluateAnswer.model_validate_json(http.get(f"{url}/result").content).correct == COUNT - 30


@pytest.mark.slow
def test_a_job_goes_on_when_the_whole_server_is_killed_and_started_again(shelf: Path, tmp_path: Path) -> None:
    process = Process(shelf, tmp_path / "home", **QUICK)
    process.wait_until_ready()
    with httpx.Client(base_url=process.url) as http:
        url = caught_in_the_middle(http)
    for pid in processes_of(process):
        os.kill(pid, signal.SIGKILL)
    process.popen.wait()

    with running(shelf, tmp_path / "home", **QUICK) as again, httpx.Client(base_url=again.url) as http:
        job = until(http, url, ended)
        assert (job.state, job.attempts) == ("done", 2)
        assert http.get(f"{url}/result").json()["latency"]["batches"] == COUNT


def processes_of(server: Process) -> dict[int, list[bytes]]:
    """Supervisor, workers and runner, told by the home they were given, and their command lines."""
    mark = f"BENTOML_HOME={server.log.parent}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().split(b"\0")
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Settings(jobs=tmp_path / "jobs", max_jobs=3, max_jobs_bytes=2**20))


PLAN = Plan((Contender("toy@1", "0" * 64),), "onnxruntime", 64, 10, 2, split="many")


def test_a_job_that_kills_its_runner_each_time_is_failed_and_not_tried_for_ever(store: Store) -> None:
    name = store.add(PLAN, []).id

    for _ in range(ATTEMPTS):
        assert store.recover() == []
        assert store.claim() is not None

    assert store.recover() == [name]
    assert store.claim() is None


def test_restarts_in_which_something_was_done_are_not_counted(store: Store) -> None:
    name = store.add(PLAN, []).id

    for done in range(1, 3 * ATTEMPTS):
        assert store.recover() == []
        assert store.claim() is not None
        assert store.progress(name, done, 1.0, 1.0)


def test_a_job_is_cancelled_between_two_images_of_a_batch(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "TELL_S", 0.0)
    card = read_card(write_toy(tmp_path / "models"))
    data = tmp_path / "data.zip"
    with zipfile.ZipFile(data, "w") as archive:
        for place in range(50):
            archive.writestr(f"dark/{place}.png", encoded(grey()))
    plan = Plan((Contender("toy@1", card.files[0].sha256),), "onnxruntime", 4096, 50, 2, files=1)
    name = store.add(plan, [data]).id
    seen: list[object] = []

    def decode(*arguments: object, **more: object) -> Decoded:
        seen.append(arguments)
        if len(seen) == 3:
            store.cancel(name)
        return to_pixels(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("service.labelled.to_pixels", decode)
    row = store.claim()
    assert row is not None
    runner._finish(store, row, Settings(models=(tmp_path / "models",), jobs=tmp_path / "jobs"))

    found = store.find(name)
    assert found is not None
    assert (found.state, len(seen)) == ("cancelled", 3)


def test_finished_jobs_make_room_and_unfinished_ones_do_not(store: Store, tmp_path: Path) -> None:
    names = [store.add(PLAN, []).id for _ in range(3)]
    with pytest.raises(Full, match="3 jobs are unfinished"):
        store.add(PLAN, [])
    assert len([*store.folder.glob("*/")]) == 3  # what was refused left nothing

    store.cancel(names[0])
    store.add(PLAN, [])
    assert names[0] not in [row.id for row in store.all()]

    large = tmp_path / "large"
    large.write_bytes(bytes(2**20))
    store.cancel(names[1])
    with pytest.raises(Full, match="bytes are unfinished"):
        store.add(PLAN, [large])


def test_what_is_too_old_is_forgotten_and_files_of_no_job_are_removed(tmp_path: Path) -> None:
    store = Store(Settings(jobs=tmp_path, keep_jobs_s=60))
    old, new = store.add(PLAN, []).id, store.add(PLAN, []).id
    store.finish(old, "done", result="{}")
    with store._opened() as database:
        database.execute("UPDATE jobs SET ended = ended - 100 WHERE id = ?", (old,))
    (store.folder / "stray").mkdir()
    os.utime(store.folder / "stray", (0, 0))

    store.tidy()

    assert [row.id for row in store.all()] == [new]
    assert [path.name for path in store.folder.glob("*/")] == [new]


def test_a_folder_of_jobs_may_be_removed_at_any_time(store: Store) -> None:
    store.add(PLAN, [])
    shutil.rmtree(store.folder)

    assert store.all() == []
    assert store.add(PLAN, []).state == "queued"


def test_one_process_works_and_its_end_frees_the_place(tmp_path: Path) -> None:
    handle = take(tmp_path)

    assert handle is not None
    assert is_held(tmp_path)
    os.close(handle)
    assert not is_held(tmp_path)


def test_servers_on_several_hosts_share_no_memory_of_the_store(store: Store) -> None:
    store.add(PLAN, [])

    with contextlib.closing(sqlite3.connect(store.folder / FILE)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_store_that_an_older_version_left_is_taken_over_even_while_it_is_read(tmp_path: Path, store: Store) -> None:
    name = store.add(PLAN, []).id
    with contextlib.closing(sqlite3.connect(store.folder / FILE, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode = WAL")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM jobs").fetchall()
        again = Store(Settings(jobs=tmp_path / "jobs"))
        assert [row.id for row in again.all()] == [name]

    assert again.find(name) is not None
    with contextlib.closing(sqlite3.connect(store.folder / FILE)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_servers_of_other_models_keep_their_jobs_apart(tmp_path: Path) -> None:
    one, other = (Store(Settings(jobs=tmp_path, models=(tmp_path / name,))) for name in "ab")

    one.add(PLAN, [])

    assert other.all() == []


def test_nothing_is_written_before_the_first_job(tmp_path: Path) -> None:
    store = Store(Settings(jobs=tmp_path / "jobs"))

    assert (store.all(), store.find("x"), store.result("x"), store.unfinished()) == ([], None, None, False)
    assert not (tmp_path / "jobs").exists()
