"""A real Prometheus with our configuration reads a real server, and every query of ours finds something."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from process import REPOSITORY, Process

from benchmarks.machine.ports import free_port
from service.live import PREDICTING
from service.routes import ROUTES as ROUTED

PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    PROMTOOL is None or PROMETHEUS is None, reason="no Prometheus is installed (Debian: apt install prometheus)"
)]
RULES = REPOSITORY / "deploy" / "prometheus" / "rules.yml"
SCALED = REPOSITORY / "deploy" / "kubernetes" / "components" / "autoscaling" / "scaled-object.yaml"
DASHBOARD = json.loads((REPOSITORY / "docs" / "grafana" / "weighbridge.json").read_text())
ROUTES = {"routes": {
    "trial": {"champion": "fm000-linear", "shadow": {"model": "fm000-relu", "share": 1.0}},
    "frugal": {"cascade": {"small": "fm000-tinyvgg", "large": "fm-fast", "threshold": 0.9}},
}}
# What a healthy server has nothing to tell of, and why.
EMPTY = {"weighbridge_log_dropped_total": "no log line was dropped", "kube_pod_": "there is no cluster"}
RAW = {"Content-Type": "application/octet-stream"}
NARROW = {"WEIGHBRIDGE_CONCURRENCY": "1", "WEIGHBRIDGE_MAX_WAITING": "1", "WEIGHBRIDGE_INLINE_MS": "0"}
PATIENCE_S = 60


def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def _asked() -> Iterator[str]:
    """Every query of dashboard, rules and autoscaler; of an alert what it compares, since nothing may be wrong."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", "10s").replace("$job", ".*").replace("$model", ".*")
            yield re.sub(r"\s*==\s*0$", "", query)
    for rule in _rules():
        compared = re.sub(r"\s*(==|>)\s*[\d.]+$", "", rule["expr"])
        yield re.sub(r"^absent\((.*)\)$", r"\1", compared) if "alert" in rule else rule["expr"]
    for trigger in yaml.safe_load(SCALED.read_text())["spec"]["triggers"]:
        yield trigger["metadata"]["query"]


class Traffic(threading.Thread):
    """Asks for all that panels show, until it is told to stop: a model, a shadow, a cascade, mistakes, too much."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.enough = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=20) as client:
            while not self.enough.wait(0.02):
                for model in ("fm-fast", "trial", "frugal"):
                    client.post("/predict", params={"model": model}, content=bytes(784), headers=RAW)
                assert client.post("/predict", content=b"no image", headers={"Content-Type": "image/png"}).is_error
                self._crowd()

    def _crowd(self) -> None:
        """More at once than may wait."""
        def ask(_: int) -> int:
            return httpx.post(f"{self._url}/predict", content=bytes(784 * 64), timeout=20, headers=RAW).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(8))) <= {200, 503}


class Watcher:
    """A Prometheus of our own; `ask` gives the samples of a query."""

    def __init__(self, folder: Path, target: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        settings = yaml.safe_load((REPOSITORY / "deploy" / "compose" / "prometheus.yml").read_text())
        rules = yaml.safe_load(RULES.read_text())
        for group in rules["groups"]:
            group["interval"] = "1s"
        (folder / "rules.yml").write_text(yaml.safe_dump(rules))
        settings["global"]["scrape_interval"] = "1s"
        settings["rule_files"] = [str(folder / "rules.yml")]
        del settings["scrape_configs"][0]["dns_sd_configs"]  # the names of a compose file mean nothing here
        settings["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        with (folder / "prometheus.log").open("wb") as log:
            self.popen = subprocess.Popen(
                [str(PROMETHEUS), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address={self.url.removeprefix('http://')}", "--log.level=warn"],
                stdout=log, stderr=log,
            )

    def ask(self, query: str) -> list[dict[str, Any]]:
        try:
            answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}).json()
        except httpx.TransportError:  # it has just been started
            return []
        if "data" not in answer:  # or reads its own log still
            assert answer.get("errorType") != "bad_data", answer
            return []
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def stop(self) -> None:
        self.popen.terminate()
        self.popen.wait(20)


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watcher]:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "routes.json").write_text(json.dumps(ROUTES))
    routes = str(folder / "routes.json")
    server = Process(REPOSITORY / "models", folder / "server", WEIGHBRIDGE_ROUTES=routes, **NARROW)
    watcher = Watcher(folder, server.url.removeprefix("http://"))
    traffic = Traffic(server.url)
    try:
        server.wait_until_ready()
        traffic.start()
        yield watcher
    finally:
        traffic.enough.set()
        if traffic.is_alive():
            traffic.join(20)
        watcher.stop()
        server.stop()


def test_every_query_of_the_dashboard_the_rules_and_the_autoscaler_finds_something(watcher: Watcher) -> None:
    waiting = {query for query in _asked() if not any(name in query for name in EMPTY)}
    deadline = time.monotonic() + PATIENCE_S

    while waiting and time.monotonic() < deadline:
        waiting = {query for query in waiting if not watcher.ask(query)}
        time.sleep(0.5)

    assert waiting == set()


def test_the_latency_on_the_dashboard_is_that_of_every_route_that_predicts() -> None:
    panel, = (panel for panel in DASHBOARD["panels"] if panel["title"] == "Latency of predictions")
    served = {route.path for route in ROUTED}

    for target in panel["targets"]:
        asked = re.findall(r'route=~"([^"]+)"', target["expr"])[0]
        assert {path for path in served if re.fullmatch(asked, path)} == set(PREDICTING)


def test_no_replica_is_added_for_a_slow_client() -> None:
    queries = [rule["expr"] for rule in _rules() if rule.get("record", "").startswith("job")]

    assert not any("weighbridge_request_seconds" in query for query in queries)
    assert all(re.search(r'stage(="queue"|!="read")', query) for query in queries if "stage_seconds" in query)


def test_no_alert_fires_on_a_healthy_server(watcher: Watcher) -> None:
    assert watcher.ask('up{job="weighbridge"}')[0]["value"][1] == "1"

    assert watcher.ask('ALERTS{alertstate="firing"}') == []


def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    tests = (Path(__file__).parent / "rules_test.yml").read_text().replace("RULES", str(RULES))
    (tmp_path / "tests.yml").write_text(tests)

    done = subprocess.run([str(PROMTOOL), "test", "rules", str(tmp_path / "tests.yml")], capture_output=True, text=True,
                          check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert all(rule["alert"] in tests for rule in _rules() if "alert" in rule)


def test_the_configuration_of_the_compose_file_is_sound() -> None:
    settings = REPOSITORY / "deploy" / "compose" / "prometheus.yml"

    for check in (["config", "--syntax-only", str(settings)], ["rules", str(RULES)]):
        done = subprocess.run([str(PROMTOOL), "check", *check], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
