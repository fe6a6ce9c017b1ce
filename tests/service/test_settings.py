"""Settings: typed, ranged, and clear about what is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from service.runtimes import RUNTIMES
from service.settings import BUNDLED_MODELS, OTHERS, SettingError, Settings, table


def test_nothing_set_means_the_bundled_models_and_safe_limits() -> None:
    settings = Settings.read({})

    assert settings.models == (BUNDLED_MODELS,)
    assert (settings.workers, settings.threads, settings.max_images) == (1, 1, 256)
    assert settings == Settings()


def test_values_are_read_with_their_types() -> None:
    settings = Settings.read({
        "WEIGHBRIDGE_MODELS": f"/a{os.pathsep}/b",
        "WEIGHBRIDGE_TIMEOUT_S": "2.5",
        "WEIGHBRIDGE_MAX_IMAGES": " 7 ",
        "WEIGHBRIDGE_ACCESS_LOG": "TRUE",
        "WEIGHBRIDGE_RESIZE": "exact",
        "WEIGHBRIDGE_DEVICE": "",
    })

    assert settings.models == (Path("/a"), Path("/b"))
    assert (settings.timeout_s, settings.max_images, settings.access_log) == (2.5, 7, True)
    assert (settings.resize, settings.device) == ("exact", "auto")


def test_there_is_always_room_for_one_body_of_the_largest_size() -> None:
    assert Settings().bodies_bytes == 4 * Settings().max_body_bytes
    assert Settings(max_body_bytes=10**6, max_bodies_bytes=2000).bodies_bytes == 10**6
    assert Settings(max_bodies_bytes=10**9).bodies_bytes == 10**9


@pytest.mark.parametrize("settings", [
    Settings(),
    Settings(models=(Path("/a"), Path("/b")), access_log=True, jobs=Path("/j"), job_share=0.25, routes=Path("/r.json")),
])
def test_another_process_can_be_given_the_same_settings(settings: Settings) -> None:
    assert Settings.read(settings.environ()) == settings


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("WEIGHBRIDGE_THREADS", "0", "a whole number from 1 to 256"),
        ("WEIGHBRIDGE_THREADS", "two", "a whole number from 1 to 256"),
        ("WEIGHBRIDGE_TIMEOUT_S", "nan", "a number from 0.1 to 3600"),
        ("WEIGHBRIDGE_DEVICE", "tpu", "one of auto, cpu, cuda"),
        ("WEIGHBRIDGE_RUNTIME", "abacus", f"one of {', '.join(RUNTIMES)}"),
        ("WEIGHBRIDGE_ACCESS_LOG", "maybe", "true or false"),
        ("WEIGHBRIDGE_MODELS", os.pathsep, f"folders separated by {os.pathsep!r}"),
        ("WEIGHBRIDGE_API_KEYS", "", "a file"),
        ("WEIGHBRIDGE_API_KEYS", " ", "a file"),
    ],
)
def test_a_wrong_value_names_variable_value_and_what_is_allowed(variable: str, value: str, allowed: str) -> None:
    with pytest.raises(ValueError, match="is not allowed") as caught:
        Settings.read({variable: value})

    assert str(caught.value) == f"{variable}={value!r} is not allowed; it must be {allowed}"


@pytest.mark.parametrize(("variable", "cure"), [
    ("WEIGHBRIDGE_WORKER", "did you mean WEIGHBRIDGE_WORKERS?"),
    ("WEIGHBRIDGE_APIKEYS", "did you mean WEIGHBRIDGE_API_KEYS?"),
    ("WEIGHBRIDGE_TIMEOUT", "did you mean WEIGHBRIDGE_TIMEOUT_S?"),
    ("WEIGHBRIDGE_XYZZY", "`python -m service settings` lists them"),
])
def test_a_variable_of_ours_that_nobody_reads_is_refused_with_the_nearest_name(variable: str, cure: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings.read({variable: "8"})

    assert str(caught.value) == f"{variable} is no setting; {cure}"
    assert Settings.read({variable: ""}) == Settings()


def test_what_other_commands_and_neighbouring_containers_are_told_is_left_alone() -> None:
    ours = {f"WEIGHBRIDGE_{name}": "x" for name in OTHERS}
    neighbours = dict.fromkeys((  # what Kubernetes sets for Services called weighbridge and weighbridge-canary
        "WEIGHBRIDGE_SERVICE_HOST", "WEIGHBRIDGE_SERVICE_PORT", "WEIGHBRIDGE_SERVICE_PORT_HTTP", "WEIGHBRIDGE_PORT",
        "WEIGHBRIDGE_PORT_3000_TCP", "WEIGHBRIDGE_PORT_3000_TCP_PROTO", "WEIGHBRIDGE_PORT_3000_TCP_PORT",
        "WEIGHBRIDGE_PORT_3000_TCP_ADDR", "WEIGHBRIDGE_CANARY_SERVICE_HOST", "WEIGHBRIDGE_CANARY_PORT_80_TCP_ADDR",
    ), "10.0.0.1")

    assert Settings.read({**ours, **neighbours, "UNWEIGHBRIDGE_X": "y"}) == Settings()


def test_a_server_that_was_told_a_clients_key_and_no_file_of_keys_does_not_start_open() -> None:
    with pytest.raises(SettingError, match="WEIGHBRIDGE_API_KEY is what a client sends"):
        Settings.of_server({"WEIGHBRIDGE_API_KEY": "wb_secret"})

    both = Settings.of_server({"WEIGHBRIDGE_API_KEY": "wb_secret", "WEIGHBRIDGE_API_KEYS": "/keys"})
    assert both.api_keys == Path("/keys")


def test_every_variable_that_the_repository_names_is_known() -> None:
    root = Path(__file__).parent.parent.parent
    files = [root / "Makefile", root / "README.md"] + [
        path for folder in ("service", "training", "export", "benchmarks", "deploy", "docs")
        for path in (root / folder).rglob("*") if path.suffix in (".py", ".md", ".yaml", ".yml", ".js", ".conf", ".j2")
    ]
    named = {name for path in files for name in re.findall(r"WEIGHBRIDGE_([A-Z0-9_]*[A-Z0-9])\b", path.read_text())}
    examples = {"SERVICE_HOST", "PORT_3000_TCP_ADDR"}

    assert named - examples <= {entry.name.upper() for entry in fields(Settings)} | set(OTHERS)


def test_the_table_has_a_row_for_every_setting() -> None:
    command = [sys.executable, "-m", "service", "settings"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed == table() + "\n"
    for entry in fields(Settings):
        assert f"| `WEIGHBRIDGE_{entry.name.upper()}` |" in printed


def test_no_other_file_of_the_service_reads_our_variables() -> None:
    service = Path(__file__).parent.parent.parent / "service"
    readers = {path.name for path in service.rglob("*.py") if "os.environ" in path.read_text()}

    others = {
        "metrics.py",                  # where the Prometheus client keeps its files
        "parent.py", "supervisor.py",  # which process started the workers
        "__init__.py",                 # what ONNX Runtime may report
    }
    assert readers == {"settings.py", *others}
