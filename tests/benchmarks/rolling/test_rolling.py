"""Replacing a server under load: real servers, a real nginx with the file that is shipped, and what is a loss."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from process import REPOSITORY
from proxies import needs_nginx

from benchmarks.rolling.proxy import Proxy
from benchmarks.rolling.replacing import Rolling, replace_all
from benchmarks.rolling.versions import write_questions, write_versions
from benchmarks.rolling.words import rolling_table, stood

pytestmark = pytest.mark.slow

MODELS = REPOSITORY / "models"
SOUND: dict[str, Any] = {
    "failed": 0, "misnamed": 0, "by_version": {"1": 5, "2": 5}, "steps": [{"exit_code": 0}, {"exit_code": 0}],
}


@needs_nginx
def test_nothing_is_lost_when_a_server_is_replaced_by_one_with_a_new_version(tmp_path: Path) -> None:
    asked = Rolling(replicas=1, rate=40, quiet_s=0.5, images=64)

    found = asyncio.run(replace_all(asked, MODELS, tmp_path))

    assert stood(found), found
    assert found["answered"] == found["sent"]
    machine = {"cpu": "A processor", "usable_cores": 2}
    told = rolling_table({**found, "machine": machine, "asked": vars(asked), "created": "2026-01-01"})
    assert "**0 failed**" in told


def test_the_versions_answer_differently_so_that_a_wrong_name_would_be_seen(tmp_path: Path) -> None:
    _, after = write_versions(MODELS, tmp_path)

    questions = write_questions(MODELS, after, 32, seed=0)

    assert questions
    assert all(question.answers[1] != question.answers[2] for question in questions)


def test_the_shipped_file_gets_the_addresses_and_keeps_the_rest(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path)

    proxy.write([4001, 4002, 4003])

    text = (tmp_path / "nginx.conf").read_text()
    assert [line.split(":")[1] for line in text.splitlines() if line.startswith("    server 127")] == [
        "4001 max_fails=0;", "4002 max_fails=0;", "4003 max_fails=0;"]
    assert f"listen 127.0.0.1:{proxy.port};" in text
    assert "proxy_next_upstream error timeout;" in text


@pytest.mark.parametrize("wrong", [
    {"failed": 1}, {"misnamed": 1}, {"by_version": {"1": 10}}, {"steps": [{"exit_code": 0}, {"exit_code": -9}]},
])
def test_any_loss_is_one(wrong: dict[str, Any]) -> None:
    assert stood(SOUND)

    assert not stood({**SOUND, **wrong})
