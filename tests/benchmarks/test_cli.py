"""The command line, as people use it: real processes, the real service."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.__main__ import main

pytestmark = pytest.mark.slow

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
    said, _ = (process := benchmarks("doctor", "--seconds", "0.4")).communicate(timeout=60)

    assert process.returncode == 0
    for needed in ("cpu", "usable_cores", "load_average", "libraries", "commit", "pinning", "with nothing to do"):
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


WEIGH = ("weigh", "--slo", "p99=20ms", "--min-accuracy", "0.85", "--rate", "200")


@pytest.mark.parametrize(("arguments", "code", "said"), [
    ((*WEIGH, "--output", "FILE"), 2, "is a file; name a folder"),
    ((*WEIGH, "--output", "FILE/x"), 2, "is a file; name a folder"),
    ((*WEIGH, "--threads", "0"), 2, "0 is not a whole number from 1"),
    ((*WEIGH, "--workers", "two"), 2, "two is not a whole number from 1"),
    ((*WEIGH, "--quick", "--publish"), 2, "leave --quick out"),
    ((*WEIGH, "--output", "DAMAGED"), 1, "weigh.json is unreadable"),
    (("report", "DAMAGED"), 1, "weigh.json is unreadable"),
    (("report", "FILE"), 1, "holds no run"),
    (("devices", "--output", "DAMAGED"), 2, "is a folder; name the file"),
    (("compare", "fm-fast", "cf-fast"), 1, "answer different questions"),
    (("compare", "fm-fast", "baseline:main"), 1, "only A can be a baseline"),
    (("compare", "fm-fast", "fm-fast:t0"), 1, "nor threads"),
    (("compare", "fm-fast", "fm-fast:t5000"), 1, "fm-fast:t5000: can keep 5000 cores busy"),
    (("compare", "fm-fast", "http://localhost:3000x"), 1, "no address"),
    (("compare", "fm-fast", "http://me:secret@localhost"), 1, "put an API key into WEIGHBRIDGE_API_KEY"),
    ((*WEIGH, "--seed", "-1"), 2, "-1 is not a whole number from 0"),
    (("weigh", "--slo", "p99=15s", *WEIGH[3:]), 2, "a limit above 4 s cannot be weighed"),
])
def test_what_cannot_be_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "FILE").touch()
    (tmp_path / "DAMAGED").mkdir()
    (tmp_path / "DAMAGED" / "weigh.json").write_text('{"wish": ')
    told = [str(tmp_path / text) if text.startswith(("FILE", "DAMAGED")) else text for text in arguments]
    told += ["--output", str(tmp_path / "out")] if told[0] == "compare" else []

    try:
        found = main(told)
    except SystemExit as ended:
        found = ended.code

    assert found == code
    assert said in " ".join(capsys.readouterr().err.split())


def test_who_is_asked_to_end_leaves_no_child(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from benchmarks.machine.children import leaving_nothing, start\n"
        "def main():\n"
        f"    print(start(['sleep', '100'], log=Path({str(tmp_path / 'log')!r})).pid, flush=True)\n"
        "    time.sleep(100)\n"
        "sys.exit(leaving_nothing(main))"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))

        process.terminate()

        assert process.wait(30) == 130
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
