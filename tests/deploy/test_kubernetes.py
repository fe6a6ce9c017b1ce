"""The manifests: built by kubectl as people would, held against the schemas, and true to what the service does."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import tritonclient.http as triton
import yaml
from process import REPOSITORY

from benchmarks.machine.ports import free_port
from service.settings import Settings

MANIFESTS = REPOSITORY / "deploy" / "kubernetes"
TOOLS = REPOSITORY / ".venv-manifests" / "bin"
OVERLAYS = ("overlays/cpu", "overlays/gpu", "overlays/full", "load", "kserve")
SERVERS = OVERLAYS[:3]
needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None and not (TOOLS / "kubectl").exists(), reason="no kubectl; `make manifests` gets one"
)
needs_schemas = pytest.mark.skipif(not (TOOLS / "kubectl").exists(), reason="no schemas; `make manifests` gets them")
MISSPELT = [
    ("overlays/full", "Deployment", "failureThreshold"), ("overlays/full", "ScaledObject", "minReplicaCount"),
    ("overlays/full", "ServiceMonitor", "jobLabel"), ("kserve", "InferenceService", "scaleMetric"),
    ("kserve", "ServingRuntime", "supportedModelFormats"),
]
Document = dict[str, Any]


@cache
def _built(overlay: str) -> str:
    kubectl = TOOLS / "kubectl" if (TOOLS / "kubectl").exists() else "kubectl"
    done = subprocess.run([kubectl, "kustomize", MANIFESTS / overlay], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _documents(overlay: str) -> list[Document]:
    return [document for document in yaml.safe_load_all(_built(overlay)) if document]


def _one(overlay: str, kind: str) -> Document:
    found, = (document for document in _documents(overlay) if document["kind"] == kind)
    return found


def _server(overlay: str) -> Document:
    spec = _one("kserve", "ServingRuntime")["spec"] if overlay == "kserve" else (
        _one(overlay, "Deployment")["spec"]["template"]["spec"])
    container: Document = spec["containers"][0]
    return container


def _settings(overlay: str) -> dict[str, str]:
    return dict(_one(overlay, "ConfigMap")["data"])


def _pods(overlay: str) -> list[Document]:
    return [each["spec"]["template"] for each in _documents(overlay) if each["kind"] in ("Deployment", "Job")]


@cache
def _judged() -> list[str]:
    """What is wrong with all documents, and with some in which one field is misspelt; both at once, for its imports."""
    documents = [document for overlay in OVERLAYS for document in _documents(overlay)]
    for overlay, kind, field in MISSPELT:
        text = yaml.safe_dump(_one(overlay, kind))
        assert field in text
        documents.append(yaml.safe_load(text.replace(field, f"mis{field}")))
        documents[-1]["metadata"]["name"] = "misspelt"
    done = subprocess.run([TOOLS / "python", Path(__file__).parent / "schemas.py"], input=yaml.safe_dump_all(documents),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return done.stdout.splitlines()


@needs_schemas
def test_the_manifests_fit_the_schemas() -> None:
    assert [line for line in _judged() if "/misspelt: " not in line] == []


@needs_schemas
@pytest.mark.parametrize(("kind", "field"), [(kind, field) for _, kind, field in MISSPELT])
def test_a_misspelt_field_does_not_pass(kind: str, field: str) -> None:
    assert any(line.startswith(f"{kind}/misspelt: ") and f"mis{field}" in line for line in _judged()), _judged()


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS[:4])
def test_nothing_runs_with_rights_it_does_not_need(overlay: str) -> None:
    for pod in _pods(overlay):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


@needs_kubectl
@pytest.mark.parametrize("overlay", SERVERS)
def test_an_end_leaves_time_for_the_proxies_and_for_the_answers(overlay: str) -> None:
    spec = _one(overlay, "Deployment")["spec"]["template"]["spec"]
    container, = spec["containers"]
    sleep = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    answers = int(container["args"][container["args"].index("--timeout-graceful-shutdown") + 1])

    assert sleep + answers < spec["terminationGracePeriodSeconds"]


@needs_kubectl
@pytest.mark.parametrize("overlay", [*SERVERS, "kserve"])
def test_no_pod_is_restarted_for_its_models(overlay: str) -> None:
    container = _server(overlay)
    asked = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")}

    live, ready = ("/v2/health/live", "/v2/health/ready") if overlay == "kserve" else ("/livez", "/readyz")
    assert asked == {"startup": live, "readiness": ready, "liveness": live}


@needs_kubectl
@pytest.mark.parametrize("overlay", [*SERVERS, "kserve"])
def test_a_balancer_that_keeps_idle_connections_for_a_minute_is_the_one_that_closes_them(overlay: str) -> None:
    container = _server(overlay)

    assert int(container["args"][container["args"].index("--timeout-keep-alive") + 1]) > 60


@needs_kubectl
@pytest.mark.parametrize("overlay", [*SERVERS, "kserve"])
def test_a_pod_is_promised_more_memory_than_it_was_measured_to_hold(overlay: str) -> None:
    wire = json.loads((REPOSITORY / "benchmarks" / "results" / "scale" / "wire.json").read_bytes())
    asked = _server(overlay)["resources"]["requests"]["memory"]

    held = (wire["supervisor_bytes"] + wire["worker_bytes"]) / 2**20
    assert int(re.sub("Gi", "024", asked.removesuffix("Mi"))) > 1.25 * held


@needs_kubectl
@pytest.mark.parametrize("overlay", SERVERS)
def test_settings_are_settings_of_the_service(overlay: str) -> None:
    settings = _settings(overlay)

    read = Settings.read(settings)

    assert {f"WEIGHBRIDGE_{name.upper()}" for name in read.__dataclass_fields__} >= settings.keys()
    asked = _one(overlay, "Deployment")["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    assert read.concurrency == int(asked)


@needs_kubectl
def test_every_selector_finds_the_pods_of_the_server() -> None:
    labels = _one("overlays/full", "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    service = _one("overlays/full", "Service")

    assert service["spec"]["selector"].items() <= labels
    assert _one("overlays/full", "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels
    assert _one("overlays/full", "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels
    watched = _one("overlays/full", "ServiceMonitor")["spec"]
    assert watched["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["metadata"]["labels"][watched["jobLabel"]] == "weighbridge"


@needs_kubectl
def test_the_autoscaler_asks_for_what_the_rules_record_and_owns_the_replicas() -> None:
    rules = yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / "rules.yml").read_text())
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}
    scaled = _one("overlays/full", "ScaledObject")["spec"]

    asked = [trigger["metadata"]["query"] for trigger in scaled["triggers"]]
    assert all(re.findall(r"job:[a-z_]+:[a-z0-9_]+", query)[0] in recorded for query in asked)
    assert scaled["scaleTargetRef"]["name"] == _one("overlays/full", "Deployment")["metadata"]["name"]
    assert "replicas" not in _one("overlays/full", "Deployment")["spec"]
    assert _one("overlays/cpu", "Deployment")["spec"]["replicas"] == scaled["minReplicaCount"]


@needs_kubectl
def test_what_prometheus_does_not_know_is_not_taken_for_a_quiet_day() -> None:
    scaled = _one("overlays/full", "ScaledObject")["spec"]

    assert scaled["fallback"]["behavior"] == "currentReplicasIfHigher"
    assert scaled["fallback"]["replicas"] > scaled["minReplicaCount"]
    assert scaled["triggers"][0]["metricType"] == "AverageValue"
    for trigger in scaled["triggers"]:
        assert trigger["metadata"]["ignoreNullValues"] == "false"
        assert " or " not in trigger["metadata"]["query"]


@needs_kubectl
def test_the_operator_gets_the_rules_that_the_compose_file_gets() -> None:
    rules = yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / "rules.yml").read_text())

    assert _one("overlays/full", "PrometheusRule")["spec"] == rules


@needs_kubectl
def test_as_many_generators_start_as_the_master_waits_for() -> None:
    workers, = (document["spec"] for document in _documents("load")
                if document["kind"] == "Job" and document["metadata"]["name"] == "locust-worker")
    plan = _settings("load")

    assert workers["parallelism"] == workers["completions"] == int(plan["WORKERS"])
    master, = (pod for pod in _pods("load") if "--master" in pod["spec"]["containers"][0]["args"])
    assert set(re.findall(r"\$\((\w+)\)", " ".join(master["spec"]["containers"][0]["args"]))) == plan.keys()


@needs_kubectl
def test_the_runtime_of_kserve_answers_its_protocol_with_what_was_fetched(tmp_path: Path) -> None:
    runtime, service = _one("kserve", "ServingRuntime")["spec"], _one("kserve", "InferenceService")
    name, container = service["metadata"]["name"], runtime["containers"][0]
    fetched = tmp_path / "mnt" / "models"  # as KServe's initializer leaves a claim there
    shutil.copytree(REPOSITORY / "models" / name, fetched / name)
    port = free_port()
    told = {each["name"]: each["value"].replace("{{.Name}}", name).replace("/mnt/models", str(fetched))
            for each in container["env"]}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("WEIGHBRIDGE_", "BENTOML_"))}
    environment = {**kept, **told, "BENTOML_HOME": str(tmp_path / "home"), "WEIGHBRIDGE_JOBS": str(tmp_path / "jobs")}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "bentoml", "serve", ".", "--port", str(port),
                                    *container["args"][1:]],
                                   cwd=REPOSITORY, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        ready = f"http://127.0.0.1:{port}{container['readinessProbe']['httpGet']['path']}"
        deadline = time.monotonic() + 60
        while not _answers(ready):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        client = triton.InferenceServerClient(f"127.0.0.1:{port}")
        asked, = client.get_model_metadata(name)["inputs"]
        tensor = triton.InferInput(asked["name"], [1, *asked["shape"][1:]], asked["datatype"])
        tensor.set_data_from_numpy(np.zeros([1, *asked["shape"][1:]], np.uint8))
        assert client.infer(name, [tensor]).get_response()["model_name"] == name
        client.close()
        workers = [" ".join(child.cmdline()) for child in psutil.Process(process.pid).children(recursive=True)]
        assert any(" ".join(container["args"][1:]) in worker for worker in workers), workers
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
