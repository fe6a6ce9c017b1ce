"""The command line, as people use it: real processes, the real service."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent.parent


def benchmarks(*arguments: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "benchmarks", *map(str, arguments)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_ctrl_c_stops_everything_keeps_what_is_measured_and_says_how_to_go_on(toys: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = benchmarks("--root", toys / "models", "--quick", "--seconds", 1, "--no-micro", "--output", run)
    for line in process.stdout:
        if "one request at a time" in line:
            break
    started = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert errors == ""
    assert f"--output {run}" in said
    assert (run / "models" / "a@1" / "closed.json").exists()
    assert (run / "report.html").exists()
    assert started
    assert not [child for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_mistakes_are_explained_in_one_line_with_exit_code_1(tmp_path: Path) -> None:
    said, errors = (process := benchmarks("--root", tmp_path)).communicate(timeout=60)

    assert process.returncode == 1
    assert errors.startswith("error: no models under")
    assert "Traceback" not in said + errors


def test_the_doctor_names_the_machine(tmp_path: Path) -> None:
    said, _ = (process := benchmarks("doctor")).communicate(timeout=60)

    assert process.returncode == 0
    for needed in ("cpu", "usable_cores", "load_average", "libraries", "commit", "pinning"):
        assert needed in said


def test_a_report_is_made_again_from_raw_rows(weighed: tuple, tmp_path: Path) -> None:
    run = weighed[0].folder
    (run / "report.html").unlink(missing_ok=True)

    said, errors = (process := benchmarks("report", run)).communicate(timeout=60)

    assert process.returncode == 0, errors
    assert "2 models compared" in said
    assert (run / "report.html").exists()
    assert (run / "result.json").exists()


def test_the_orchestrator_never_imports_locust() -> None:
    code = "import sys, benchmarks.__main__; sys.exit('locust' in sys.modules or 'gevent' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_micro_benchmarks_run_on_any_models(toys: Path) -> None:
    command = [sys.executable, "-m", "pytest", "benchmarks/micro", "-q", "--benchmark-disable",
               "-p", "no:cacheprovider", f"--weigh-root={toys / 'models'}"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
