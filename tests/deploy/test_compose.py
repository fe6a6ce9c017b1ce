"""The compose file: what Compose itself says of it where it is installed, and that its parts find each other."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from process import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]


def _compose() -> tuple[list[str], bool] | None:
    """The command, and whether it is the old one, which knows no `name`; None where there is none."""
    for command, old in ((["docker", "compose"], False), (["docker-compose"], True)):
        if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True,
                                                           check=False).returncode:
            return command, old
    return None


COMPOSE = _compose()


@pytest.mark.skipif(COMPOSE is None, reason="no Compose is installed (Debian: apt install docker-compose)")
def test_compose_understands_the_file() -> None:
    assert COMPOSE is not None
    command, old = COMPOSE

    done = subprocess.run(
        [*command, "--project-directory", str(FOLDER), "-f", "-", "--profile", "load", "config"], text=True,
        input=re.sub(r"^name:.*\n", "", TEXT, flags=re.MULTILINE) if old else TEXT, capture_output=True, check=False,
    )

    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"].keys() == SERVICES.keys()


def test_every_file_that_is_mounted_or_built_from_exists() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    build = SERVICES["locust-master"]["build"]

    assert all((FOLDER / path).is_file() for path in mounted if path.startswith("."))
    assert (FOLDER / build["context"] / build["dockerfile"]).is_file()


def test_the_parts_ask_each_other_at_names_that_there_are() -> None:
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"][0]["dns_sd_configs"][0]
    source = yaml.safe_load((FOLDER / "grafana" / "datasource.yaml").read_text())["datasources"][0]
    commands = " ".join(" ".join(service.get("command", ())) for service in SERVICES.values())

    asked = {*scraped["names"], re.findall(r"//([a-z-]+):", source["url"])[0], *re.findall(r"//([a-z-]+):", commands),
             *re.findall(r"--master-host ([a-z-]+)", commands)}
    assert asked == {"weighbridge", "prometheus", "locust-master"}
    assert asked <= SERVICES.keys()


def test_what_is_ours_runs_without_rights_on_a_file_system_it_cannot_write_to() -> None:
    for name in ("weighbridge", "locust-master", "locust-worker"):
        assert SERVICES[name]["read_only"]
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["tmpfs"]


def test_nothing_listens_beyond_this_machine() -> None:
    assert all(port.startswith("127.0.0.1:") for service in SERVICES.values() for port in service.get("ports", ()))


def test_a_stop_waits_longer_than_the_answers_may_take() -> None:
    service = SERVICES["weighbridge"]

    assert int(service["command"][-1]) < int(service["stop_grace_period"].rstrip("s"))


def test_the_image_for_load_is_built_from_what_its_context_lets_through() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    recipe = (REPOSITORY / "deploy" / "container" / "load.Dockerfile").read_text()
    wanted = re.findall(r"^COPY (?!--from)(.+) \S+$", recipe, re.MULTILINE)

    assert {path for line in wanted for path in line.split()} == {line[1:] for line in ignored if line.startswith("!")}
