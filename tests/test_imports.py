"""The walls between the rooms: who may import whom, checked on the source, and torch kept out of the service."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "service": set(),
    "training": set(),
    "export": {"training", "service"},
    "benchmarks": {"service"},
}
TORCH_ALLOWED_IN = {"service/runtimes/script.py"}  # and there only inside a function


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_it_may(room: str) -> None:
    forbidden = set(MAY_IMPORT) - MAY_IMPORT[room] - {room} | {"tests"}

    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(room)
        for name in imports(ast.parse(path.read_text()))
        if name.split(".")[0] in forbidden
    }

    assert found == set()


@pytest.mark.parametrize("room", ["service", "benchmarks"])
def test_the_serve_world_never_imports_torch_at_module_level(room: str) -> None:
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(room)
        for name in _reachable_at_import(path)
        if name.split(".")[0] in {"torch", "torchvision", "onnx"}
    }

    assert found == set()


def _reachable_at_import(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    if str(path.relative_to(ROOT)) not in TORCH_ALLOWED_IN:
        yield from imports(tree)
        return
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            yield from imports(node)


def test_recipes_are_data_and_load_without_torch() -> None:
    code = "import sys, training.recipes; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_service_starts_without_torch_in_memory() -> None:
    code = "import sys, service.app; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_onnx_runtime_reports_nothing_to_its_makers_unless_somebody_wants_it_to(room: str, tmp_path: Path) -> None:
    assert what_is_kept_to_be_sent(room, tmp_path / "as it comes") == []
    if not what_is_kept_to_be_sent(room, tmp_path / "wanted", ORT_DISABLE_TELEMETRY="0"):
        pytest.skip("this build of ONNX Runtime reports nothing anyway")


def what_is_kept_to_be_sent(room: str, home: Path, **environment: str) -> list[Path]:
    """Files in an empty home after a room was imported and a model opened. ONNX Runtime is quiet in CI by itself."""
    silencers = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")
    keep = {name: value for name, value in os.environ.items() if name not in (*silencers, "XDG_CACHE_HOME")}
    code = f"import {room}, onnxruntime; onnxruntime.InferenceSession('models/fm000-linear/1/model.onnx')"
    home.mkdir()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env={**keep, "HOME": str(home), **environment})
    return [path for path in home.rglob("*") if path.is_file()]
