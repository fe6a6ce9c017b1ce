"""Settings: typed, ranged, and clear about what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from service.runtimes import RUNTIMES
from service.settings import BUNDLED_MODELS, Settings, table


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
    ],
)
def test_a_wrong_value_names_variable_value_and_what_is_allowed(variable: str, value: str, allowed: str) -> None:
    with pytest.raises(ValueError, match="is not allowed") as caught:
        Settings.read({variable: value})

    assert str(caught.value) == f"{variable}={value!r} is not allowed; it must be {allowed}"


def test_the_table_has_a_row_for_every_setting() -> None:
    command = [sys.executable, "-m", "service", "settings"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed == table() + "\n"
    for entry in fields(Settings):
        assert f"| `WEIGHBRIDGE_{entry.name.upper()}` |" in printed


def test_no_other_file_of_the_service_reads_our_variables() -> None:
    service = Path(__file__).parent.parent.parent / "service"
    readers = {path.name for path in service.rglob("*.py") if "os.environ" in path.read_text()}

    assert readers == {"settings.py", "metrics.py"}  # metrics.py: where the Prometheus client keeps its files
