"""OpenVINO answers as the card says and is served as any other runtime; tried in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from service.runtimes import missing
from service.runtimes.vino import options

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-openvino" / "bin" / "python"
ASK = """
import threading
from pathlib import Path
import numpy as np
from service.runtimes import open_model
root = Path("models/fm-fast/1")
run = open_model("openvino", root / "model.onnx")
with np.load(root / "golden.npz") as golden:
    images, expected = golden["images"], golden["probabilities"]
for batch in (1, 2, 7, 32, 64):
    assert np.abs(run(images[:batch]) - expected[:batch]).max() < 1e-5, batch
images.flags.writeable = False
first = run(images[:1])
run(images[1:2])
assert np.abs(first - expected[:1]).max() < 1e-5, "the next call changed an answer"
wrong = []
def ask(place):
    for _ in range(20):
        if np.abs(run(images[place:place + 1]) - expected[place]).max() > 1e-5:
            wrong.append(place)
threads = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not wrong, wrong
print("openvino", run.version, run.device, run.threads)
"""


def test_float32_is_asked_for_by_name_and_threads_are_set() -> None:
    asked = options(3)

    assert (asked["INFERENCE_PRECISION_HINT"], asked["INFERENCE_NUM_THREADS"]) == ("f32", 3)


def test_where_it_is_not_installed_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.runtimes.find_spec", lambda name: None)

    assert missing("openvino") == "openvino is not installed; the group `openvino` installs it: docs/runtimes.md"


@pytest.mark.skipif(not PYTHON.exists(), reason=".venv-openvino is not here; docs/runtimes.md says how to make it")
def test_it_repeats_golden_vectors_at_every_batch_size_from_several_threads() -> None:
    told = subprocess.run([PYTHON, "-W", "error", "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("openvino 2")
