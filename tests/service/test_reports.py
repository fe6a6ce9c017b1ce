"""Reports are found by looking, never by a path from a request, and are sent into an origin of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from service.settings import Settings

ClientOf = Callable[[Settings], Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    (folder / "weigh-1").mkdir(parents=True)
    (folder / "weigh-1" / "decision.html").write_text("<h1>decided</h1>")
    (folder / "weigh-1" / "secret.html").write_text("no report")
    (folder / "training-report.html").write_text("<h1>trained</h1>")
    (folder / "weigh-1" / "report.html").symlink_to(folder / "weigh-1" / "secret.html")
    return folder


def ask(client_of: ClientOf, settings: Settings, path: str) -> httpx.Response:
    async def run() -> httpx.Response:
        async with client_of(settings) as client:
            found: httpx.Response = await client.get(path)
            return found

    return anyio.run(run)


def test_reports_of_runs_and_roots_are_listed(toy_models: Path, root: Path, client_of: ClientOf) -> None:
    settings = Settings(models=(toy_models,), reports=(root,))

    listed = ask(client_of, settings, "/reports").json()["reports"]

    assert {(each["kind"], each["url"]) for each in listed} == {
        ("weighing", "/reports/weigh-1/decision.html"), ("training", "/reports/runs/training-report.html"),
    }
    assert ask(client_of, settings, "/reports/weigh-1/decision.html").text == "<h1>decided</h1>"


def test_of_two_runs_of_one_name_both_are_listed(toy_models: Path, root: Path, client_of: ClientOf) -> None:
    other = root.parent / "elsewhere"
    (other / "weigh-1").mkdir(parents=True)
    (other / "weigh-1" / "decision.html").write_text("<h1>decided otherwise</h1>")
    settings = Settings(models=(toy_models,), reports=(root, other, root))

    listed = ask(client_of, settings, "/reports").json()["reports"]

    assert sorted(each["run"] for each in listed if each["kind"] == "weighing") == ["weigh-1", "weigh-1~2"]
    assert ask(client_of, settings, "/reports/weigh-1~2/decision.html").text == "<h1>decided otherwise</h1>"


@pytest.mark.parametrize("path", [
    "/reports/weigh-1/secret.html", "/reports/weigh-1/report.html", "/reports/../keys", "/reports/..%2F/decision.html",
])
def test_nothing_else_is_sent(
    toy_models: Path, root: Path, client_of: ClientOf, problem_of: Callable[..., Any], path: str
) -> None:
    problem_of(ask(client_of, Settings(models=(toy_models,), reports=(root,)), path), 404, "not-found")


def test_a_report_cannot_reach_the_origin_it_came_from(toy_models: Path, root: Path, client_of: ClientOf) -> None:
    answer = ask(client_of, Settings(models=(toy_models,), reports=(root,)), "/reports/weigh-1/decision.html")

    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts;" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
