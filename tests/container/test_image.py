"""The image that `make image` makes, run as a cluster would: without rights, on a file system it cannot write to.

Asked for with WEIGHBRIDGE_CONTAINER_TEST=1, because a base image, an installation and a build take minutes.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from container.engine import BASE, Engine, Unable, missing
from process import REPOSITORY

from benchmarks.machine.ports import free_port

REASON = missing()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))
IMAGE, NAME = "localhost/weighbridge:test", "weighbridge-test"
LOAD = "localhost/weighbridge:load"
BUNDLED = ("service", "models", "versions.lock", "LICENSE", "bentofile.yaml")
MEGABYTE = 10**6


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("engine") / "containers")
    engine.prepare()
    try:
        try:
            engine.base()
        except Unable as reason:
            pytest.skip(str(reason))
        engine.do("make", "image", "BACKEND=buildah", f"TAG={IMAGE}", "OPTS=--opt isolation=chroot --opt network=host",
                  seconds=600)
        yield engine
    finally:
        engine.remove()


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[str]:
    with _running(engine) as (url, _):
        yield url


@contextmanager
def _running(engine: Engine, name: str = NAME, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port()
    process = engine.start(IMAGE, name, PORT=str(port), **environment)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while True:
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "not ready in time"
            time.sleep(0.1)
        yield url, process
    finally:
        engine.podman("rm", "--force", "--time", "1", name, check=False)
        process.communicate(timeout=30)


def _inside(engine: Engine, *command: str) -> subprocess.CompletedProcess[str]:
    return engine.podman("exec", NAME, *command, check=False)


def _size(engine: Engine, image: str) -> int:
    return int(engine.podman("image", "inspect", "--format", "{{.Size}}", image).stdout)


def test_the_bento_holds_the_service_and_its_models_and_little_else(engine: Engine) -> None:
    bento, = (engine.folder / "bentoml" / "bentos" / "weighbridge").glob("*/")
    files = [path for path in bento.rglob("*") if path.is_file()]

    assert {path.name for path in (bento / "src").iterdir()} == set(BUNDLED)
    assert sum(path.stat().st_size for path in files) < 26 * MEGABYTE  # docs/deploy.md says so


def test_the_image_adds_less_than_320_megabytes_to_its_base(engine: Engine) -> None:
    assert _size(engine, IMAGE) - _size(engine, BASE) < 320 * MEGABYTE  # docs/deploy.md says so


def test_the_image_says_how_it_is_to_be_run(engine: Engine) -> None:
    told = json.loads(engine.podman("image", "inspect", IMAGE).stdout)[0]

    assert told["Config"]["User"] == "1034:1034"
    assert told["Config"]["StopSignal"] == "SIGTERM"
    assert "/readyz" in told["HealthCheck" if "HealthCheck" in told else "Healthcheck"]["Test"][-1]
    assert list(told["Config"]["Volumes"]) == ["/var/lib/weighbridge"]


def test_the_installed_versions_are_those_that_were_tested(engine: Engine, server: str) -> None:
    lock = (REPOSITORY / "versions.lock").read_text()
    tested = set(re.findall(r"^([a-z0-9._-]+)==([^ \n]+)", lock, re.MULTILINE))
    listed = _inside(engine, "python", "-c", "import importlib.metadata as m, json; "
                     "print(json.dumps({d.name: d.version for d in m.distributions()}))")
    installed = {name.lower().replace("_", "-"): version for name, version in json.loads(listed.stdout).items()}

    assert installed.items() - tested == set()
    assert len(installed) > 40
    assert not any("torch" in name or name.startswith("nvidia-c") for name in installed)


def test_it_answers_and_checks_its_own_health(engine: Engine, server: str) -> None:
    image = httpx.get(f"{server}/splits/fashion-mnist-test/images/0.png").content
    answer = httpx.post(f"{server}/predict", content=image, headers={"Content-Type": "image/png"})

    assert answer.json()["predictions"][0]["label"] == "Ankle boot"
    assert engine.podman("healthcheck", "run", NAME, check=False).returncode == 0


def test_it_runs_without_rights_and_can_write_only_where_it_has_to(engine: Engine, server: str) -> None:
    status = _inside(engine, "cat", "/proc/1/status").stdout
    attempts = {place: _inside(engine, "touch", f"{place}/x").returncode == 0
                for place in ("/", "/app", "/home/bentoml/bento/src/service", "/etc", "/tmp", "/var/lib/weighbridge")}

    assert re.search(r"^Uid:\s+1034\s+1034\s+1034", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    assert [place for place, written in attempts.items() if written] == ["/tmp", "/var/lib/weighbridge"]


def test_a_job_is_kept_in_the_volume(engine: Engine, server: str) -> None:
    asked = httpx.post(f"{server}/evaluate", json={"split": "fashion-mnist-test", "job": True})
    assert asked.status_code == 202, asked.text
    where = f"{server}{asked.headers['Location']}"
    deadline = time.monotonic() + 60
    while (job := httpx.get(where).json())["state"] not in ("done", "failed") and time.monotonic() < deadline:
        time.sleep(0.1)

    assert job["state"] == "done", job
    assert _inside(engine, "ls", "/var/lib/weighbridge/jobs").stdout.strip()


def test_a_setting_comes_from_the_environment_and_a_wrong_one_stops_the_start(engine: Engine) -> None:
    process = engine.start(IMAGE, "weighbridge-wrong", WEIGHBRIDGE_THREADS="many")

    told = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert "WEIGHBRIDGE_THREADS='many' is not allowed; it must be a whole number from 1" in told


def test_being_stopped_it_finishes_what_was_begun(engine: Engine) -> None:
    with _running(engine, "weighbridge-stopped", WEIGHBRIDGE_WORKERS="2") as (url, process):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
                               b"Content-Length: 784\r\nExpect: 100-continue\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 100")  # so it is being answered
            engine.podman("kill", "--signal", "TERM", "weighbridge-stopped")
            time.sleep(0.5)
            connection.sendall(bytes(784))
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_a_load_is_sent_from_several_containers(engine: Engine, server: str) -> None:
    engine.do("buildah", "build", "--format", "docker", "--isolation", "chroot", "--network", "host",
              "-f", "deploy/container/load.Dockerfile", "-t", LOAD, ".", seconds=900)
    port = str(free_port())
    workers = [engine.start(LOAD, f"weighbridge-worker-{number}", "--worker", "--master-host=127.0.0.1",
                            f"--master-port={port}") for number in range(2)]
    master = engine.start(LOAD, "weighbridge-master", "--master", "--headless", "--expect-workers=2",
                          "--expect-workers-max-wait=120", f"--master-bind-port={port}", f"--host={server}",
                          "--model=fm-fast", "--rate=40", "--seconds=3", "--save=/tmp/load")

    told = master.communicate(timeout=300)[0]
    for worker in workers:
        worker.communicate(timeout=60)

    assert master.returncode == 0, told
    assert re.search(r"requests at .* by 2 workers: \d+ answered, 0 failed", told), told
