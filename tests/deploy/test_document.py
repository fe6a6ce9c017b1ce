"""Every command of docs/deploy.md is tried as far as this machine allows, or fails here for want of a way to try it.

Those that ask a server are run by tests/test_readme.py; those of containers also by tests/container.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from process import REPOSITORY

from benchmarks.rolling.proxy import find_nginx
from service.settings import Settings

TEXT = (REPOSITORY / "docs" / "deploy.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines() if line]
KUBECTL = shutil.which("kubectl", path=str(REPOSITORY / ".venv-manifests" / "bin")) or shutil.which("kubectl")
VARIABLES = {f"WEIGHBRIDGE_{name.upper()}" for name in Settings.__dataclass_fields__} | {"BENTOML_HOME"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_what_it_can_here(command: str, tmp_path: Path) -> None:
    words = shlex.split(command.strip("()"), comments=True)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        assert words.pop(0).split("=")[0] in VARIABLES
    match words:
        case ["make", *what]:
            _runs("make", "--dry-run", *what)
        case ["docker", "compose", "-f", path, *rest]:
            services = yaml.safe_load((REPOSITORY / path).read_text())["services"]
            for option, value in pairwise(rest):
                assert option != "--profile" or any(value in each.get("profiles", ()) for each in services.values())
                assert option != "--scale" or value.split("=")[0] in services
        case ["docker", "build", "-f", path, "-t", _, "."]:
            assert (REPOSITORY / path).is_file()
        case ["docker", "run", *options, image]:
            assert image in TEXT.partition("## In a cluster")[0]
            named = [value for option, value in pairwise(options) if option == "--env"]
            assert {value.split("=")[0] for value in named} <= VARIABLES
        case ["docker", "push", image]:
            assert f"make image TAG={image}" in COMMANDS or any(f"-t {image} ." in made for made in COMMANDS)
            assert not image.endswith((":cpu", ":latest"))
        case ["cd", folder, "&&", "kustomize", "edit", "set", "image", change]:
            _sets_the_image(folder, *change.split("="), tmp_path)
        case [".venv-serve/bin/python", "-m", "bentoml", "serve", ".", "--port", port]:
            assert f"server 127.0.0.1:{port} " in (REPOSITORY / "deploy" / "nginx" / "nginx.conf").read_text()
        case ["nginx", "-c", path, "-p", "/tmp"]:
            try:
                nginx = find_nginx()
            except RuntimeError as error:
                pytest.skip(str(error))
            _runs(nginx, "-t", "-c", path.replace("$PWD", str(REPOSITORY)), "-p", str(tmp_path))
        case ["python", "-m", module]:
            _runs(sys.executable, "-m", module, "--help")
        case ["kubectl", *rest]:
            _kubectl(rest)
        case _:
            pytest.fail(f"no test says how to try: {command}")


def _sets_the_image(folder: str, name: str, image: str, tmp_path: Path) -> None:
    """That an overlay's servers, or the load, then run it; where there is no kustomize, its line is written here."""
    if KUBECTL is None:
        pytest.skip("no kubectl; `make manifests` gets one")
    shutil.copytree(REPOSITORY / "deploy", tmp_path / "deploy")
    overlay = tmp_path / folder
    if shutil.which("kustomize"):
        subprocess.run(["kustomize", "edit", "set", "image", f"{name}={image}"], cwd=overlay, check=True)
    else:
        said = yaml.safe_load((overlay / "kustomization.yaml").read_text())
        where, _, tag = image.rpartition(":")
        said["images"] = [{"name": name, "newName": where, "newTag": tag}]
        (overlay / "kustomization.yaml").write_text(yaml.safe_dump(said))
    built = subprocess.run([str(KUBECTL), "kustomize", str(overlay)], capture_output=True, text=True, check=True).stdout
    running = [each for each in yaml.safe_load_all(built) if each["kind"] in ("Deployment", "ServingRuntime", "Job")]
    assert len(running) == (2 if folder.endswith("load") else 1)
    for each in running:
        spec = each["spec"] if each["kind"] == "ServingRuntime" else each["spec"]["template"]["spec"]
        assert [container["image"] for container in spec["containers"]] == [image]


@pytest.mark.parametrize("folder", ["overlays/gpu", "kserve"])
def test_every_other_folder_is_told_its_image_in_the_same_way(folder: str, tmp_path: Path) -> None:
    _sets_the_image(f"deploy/kubernetes/{folder}", "weighbridge", "registry.example.com/weighbridge:1", tmp_path)


def test_a_rollback_goes_back_as_many_times_as_the_document_says() -> None:
    assert "of the last five" in TEXT
    deployment = yaml.safe_load((REPOSITORY / "deploy" / "kubernetes" / "base" / "deployment.yaml").read_text())
    assert deployment["spec"]["revisionHistoryLimit"] == 5


def _runs(*command: str) -> None:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _kubectl(words: list[str]) -> None:
    if KUBECTL is None:
        pytest.skip("no kubectl; `make manifests` gets one")
    match words:
        case ["apply", "-k", path]:
            assert _built(path)
        case ["create", "configmap", _, source]:
            assert (REPOSITORY / source.removeprefix("--from-file=")).is_file()
        case ["label", "configmap", name, _]:
            assert f"kubectl create configmap {name} " in TEXT
        case ["label", "namespace", _, label]:
            policy, = (each for each in _built("deploy/kubernetes/overlays/cpu") if each["kind"] == "NetworkPolicy")
            key, value = label.split("=")
            assert {"namespaceSelector": {"matchLabels": {key: value}}} in policy["spec"]["ingress"][0]["from"]
        case [*_]:
            kind, name = next(re.findall(r"^(deployment|service|job)/(.+)", word)[0] for word in words if "/" in word)
            every = [each for path in ("overlays/cpu", "load") for each in _built(f"deploy/kubernetes/{path}")]
            assert any(each["kind"].lower() == kind and each["metadata"]["name"] == name for each in every)


@cache
def _built(path: str) -> list[dict[str, Any]]:
    done = subprocess.run([str(KUBECTL), "kustomize", path], cwd=REPOSITORY, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]
