"""API keys: who gets in, what is open, what the file may hold, and that a change of it holds soon."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from service import keys
from service.keys import add_key, read_keys, remove_key
from service.routes import build
from service.settings import SettingError, Settings

ClientOf = Callable[[Settings], Any]
ProblemOf = Callable[[httpx.Response, int, str], dict[str, Any]]
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def ask(client_of: ClientOf, settings: Settings, path: str, **headers: str) -> httpx.Response:
    async def run() -> httpx.Response:
        async with client_of(settings) as client:
            if path == "/predict":
                found: httpx.Response = await client.post(path, content=bytes(16), headers={**RAW, **headers})
            else:
                found = await client.get(path, headers=headers)
            return found

    return anyio.run(run)


@pytest.mark.parametrize("header", ["X-API-Key: {}", "Authorization: Bearer {}", "Authorization: bearer {}"])
def test_who_holds_a_key_is_answered(toy_models: Path, file: Path, client_of: ClientOf, header: str) -> None:
    add_key(file, "somebody")
    name, value = header.format(add_key(file, "me")).split(": ")

    answer = ask(client_of, Settings(models=(toy_models,), api_keys=file), "/predict", **{name: value})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", [
    "/predict", "/predict/input", "/models", "/docs.json", "/metrics", "/live", "/leaderboard", "/reports",
    "/pages/nothing-here.js", "/nothing-here",
])
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wb_guess"}, {"Authorization": "Basic eDp5"}, {"X-API-Key": ""}])
def test_who_holds_none_is_told_how_and_learns_nothing_else(
    toy_models: Path, file: Path, client_of: ClientOf, problem_of: ProblemOf, path: str, headers: dict[str, str]
) -> None:
    add_key(file, "me")

    answer = ask(client_of, Settings(models=(toy_models,), api_keys=file), path, **headers)

    assert "X-API-Key" in problem_of(answer, 401, "unauthorized")["cure"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="weighbridge"'


@pytest.mark.parametrize("path", ["/", "/docs", "/pages/shell/shell.css"])
def test_the_page_that_asks_for_the_key_is_open_and_is_the_same_for_every_server(
    toy_models: Path, file: Path, client_of: ClientOf, path: str
) -> None:
    add_key(file, "me")

    guarded = ask(client_of, Settings(models=(toy_models,), api_keys=file), path)

    assert guarded.status_code == 200
    assert guarded.content == ask(client_of, Settings(models=(toy_models.parent,)), path).content


@pytest.mark.parametrize(("path", "open_metrics", "status"), [
    ("/livez", False, 200), ("/readyz", False, 200), ("/metrics", False, 401), ("/metrics", True, 200),
])
def test_supervisors_need_no_key(
    toy_models: Path, file: Path, client_of: ClientOf, path: str, open_metrics: bool, status: int
) -> None:
    add_key(file, "me")
    settings = Settings(models=(toy_models,), api_keys=file, open_metrics=open_metrics)

    assert ask(client_of, settings, path).status_code == status


def test_without_a_file_nobody_needs_a_key(toy_models: Path, client_of: ClientOf) -> None:
    assert ask(client_of, Settings(models=(toy_models,)), "/predict").status_code == 200


def test_a_change_of_the_file_holds_at_the_next_look(
    toy_models: Path, file: Path, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LOOK_S", 0.0)
    old = add_key(file, "old")

    async def statuses() -> list[int]:
        async with client_of(Settings(models=(toy_models,), api_keys=file)) as client:
            async def status(key: str) -> int:
                return int((await client.get("/models", headers={"X-API-Key": key})).status_code)

            found = [await status(old)]
            new = add_key(file, "new")
            remove_key(file, "old")
            found += [await status(old), await status(new)]
            file.write_text("nonsense\n")
            found.append(await status(new))
            file.unlink()
            return [*found, await status(new)]

    assert anyio.run(statuses) == [200, 401, 200, 200, 200]  # a file nobody can read changes nothing


def test_a_key_that_was_removed_while_the_file_could_not_be_read_is_gone_as_soon_as_it_can(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keys, "LOOK_S", 0.0)
    old = add_key(file, "old").encode()
    keyring = keys.Keyring(file)
    remove_key(file, "old")

    def closed(path: Path) -> dict[str, bytes]:
        raise SettingError(f"{path} cannot be read: Permission denied")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(keys, "read_keys", closed)
        assert [keyring.holds(old) for _ in range(3)] == [True] * 3
    assert caplog.text.count("is tried again: SettingError") == 1  # at the first look, and not at every one

    assert not keyring.holds(old)
    assert "reading the changed API keys works again" in caplog.text


def test_the_file_holds_no_key_and_is_private(file: Path) -> None:
    key = add_key(file, "me")

    assert key not in file.read_text()
    assert len(key) == 46
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("content", "said"), [
    ("me:123\n", "line 1: not `name:sha256 of the key`"),
    (f"# ours\n\nme:{'0' * 64}\nme:{'1' * 64}\n", "line 4: me is there twice"),
])
def test_a_wrong_line_stops_the_start_and_is_named(
    toy_models: Path, file: Path, content: str, said: str
) -> None:
    file.write_text(content)

    with pytest.raises(SettingError, match=said):
        build(Settings(models=(toy_models,), api_keys=file))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "service", *arguments], capture_output=True, text=True, check=False)


def test_keys_are_made_listed_and_removed_on_the_command_line(file: Path) -> None:
    made = command("keys", "add", "me", str(file))
    again = command("keys", "add", "me", str(file))

    assert made.returncode == 0
    assert made.stdout.startswith("wb_")
    assert made.stdout.count("\n") == 1
    assert (again.returncode, again.stdout) == (1, "")
    assert "me has a key already" in again.stderr
    assert command("keys", "list", str(file)).stdout == "me\n"
    assert command("keys", "remove", "me", str(file)).returncode == 0
    assert read_keys(file) == {}
    assert command("keys").returncode == 2


def test_the_document_says_that_a_key_is_wanted(toy_models: Path, file: Path, client_of: ClientOf) -> None:
    key = add_key(file, "me")

    document = ask(client_of, Settings(models=(toy_models,), api_keys=file), "/docs.json", **{"X-API-Key": key}).json()

    assert document["security"] == [{"bearer": []}, {"header": []}]
    assert document["paths"]["/predict"]["post"]["responses"]["401"]
