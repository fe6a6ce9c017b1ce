"""Counting across workers: exact at any moment, kept when one is killed, and bounded however often one dies."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from process import REPOSITORY

from service.counters import MANY_DEAD, STEP, Counters, Kind
from service.metrics import FAMILIES, MULTIPROCESS_DIR, Metrics
from service.problems import PROBLEMS
from service.stopwatch import STAGES
from service.visit import Visit

WORKER = """
import sys, time
from pathlib import Path
from service.counters import Counters
counters = Counters(Path(sys.argv[1]))
counted, gauge, least = (counters.slots(name, ("a",), kind, 1) for name, kind in
                         (("requests", "counter"), ("in_flight", "sum"), ("ready", "min")))
for _ in range(int(sys.argv[2])):
    counters.values[counted] += 1
counters.values[gauge] = counters.values[least] = float(sys.argv[2])
print("counted", flush=True)
time.sleep(60)
"""


class Worker:
    """A process that counts and then waits."""

    def __init__(self, folder: Path, count: int) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder), str(count)], cwd=REPOSITORY, stdout=subprocess.PIPE
        )
        assert self.popen.stdout is not None
        assert self.popen.stdout.readline() == b"counted\n"

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        assert self.popen.stdout is not None
        self.popen.stdout.close()


def test_workers_are_added_up_and_a_killed_one_keeps_what_it_counted(tmp_path: Path) -> None:
    one, two = Worker(tmp_path, 3), Worker(tmp_path, 4)
    try:
        found, alive = Counters(tmp_path).read()
        assert alive == 2
        assert found == {("requests", ("a",)): [7], ("in_flight", ("a",)): [7], ("ready", ("a",)): [3]}

        one.kill()

        found, alive = Counters(tmp_path).read()
        assert alive == 1
        assert found == {("requests", ("a",)): [7], ("in_flight", ("a",)): [4], ("ready", ("a",)): [4]}
    finally:
        one.kill()
        two.kill()


def count_one(counters: Counters) -> None:
    slot = counters.slots("requests", (), "counter", 1)
    counters.values[slot] += 1


def test_workers_that_die_again_and_again_leave_one_file_and_all_their_counts(tmp_path: Path) -> None:
    for _ in range(MANY_DEAD):
        counters = Counters(tmp_path)
        count_one(counters)
        counters.close()
    assert len(list(tmp_path.glob("*.index"))) == MANY_DEAD

    counters = Counters(tmp_path)
    count_one(counters)

    assert len(list(tmp_path.glob("*.index"))) == 2
    assert counters.read() == ({("requests", ()): [MANY_DEAD + 1]}, 1)
    counters.close()


def test_a_line_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    count_one(counters)
    with next(tmp_path.glob("*.index")).open("a") as index:
        index.write('["half')

    assert counters.read()[0] == {("requests", ()): [1]}
    counters.close()


CROWDED = """
import json, resource, sys
from pathlib import Path
from service.counters import STEP, Counters
counters = Counters(Path(sys.argv[1]))
counted = [counters.slots("requests", (), "counter", 1), counters.slots("waiting", (), "sum", 1)]
counters.values[counted[0]] += 2
counters.values[counted[1]] = 3
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
for number in range(3 * STEP // 1000):
    counted.append(counters.slots("more", (str(number),), "counter", 1000))
    counters.values[counted[-1] + 999] += 1
counters.values[counted[0]] += 5
found, alive = counters.read()
more = sum(numbers[-1] for (name, _), numbers in found.items() if name == "more")
print(json.dumps([found["requests", ()], found["waiting", ()], more, alive]))
"""


@pytest.mark.parametrize("room", [0, 200], ids=["for nothing", "for some lines"])
def test_a_worker_without_room_on_the_disk_goes_on_by_itself_and_loses_no_count(tmp_path: Path, room: int) -> None:
    done = subprocess.run([sys.executable, "-c", CROWDED, str(tmp_path), str(room)], cwd=REPOSITORY,
                          capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[7], [3], 3 * STEP // 1000, 1]
    assert done.stderr.count("no room to count in") == 1
    assert Counters(tmp_path).read()[0]["requests", ()] == [2]  # what others can see of it


def test_numbers_are_given_out_only_where_the_disk_has_room_for_them(tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o size=150k none {tmp_path} && exec {sys.executable} -c \"$0\" {tmp_path} 1000000000"
    mounting = ["unshare", "--mount", "sh", "-c"]
    if subprocess.run([*mounting, f"mount -t tmpfs none {tmp_path}"], capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")

    done = subprocess.run([*mounting, script, CROWDED], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[7], [3], 3 * STEP // 1000, 1]
    assert done.stderr.count("No space left on device") == 1


def test_an_application_that_is_only_looked_at_makes_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MULTIPROCESS_DIR, str(tmp_path / "shared"))

    Metrics()

    assert list(tmp_path.iterdir()) == []


def test_what_ended_servers_have_counted_is_removed_and_what_living_ones_count_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MULTIPROCESS_DIR, str(tmp_path / "shared"))
    ended, seen_from_elsewhere = tmp_path / "shared-4194305-1", tmp_path / "shared-4194306-1"
    for folder in (ended, seen_from_elsewhere):
        counters = Counters(folder)
        count_one(counters)
        if folder == ended:
            counters.close()
    metrics = Metrics()

    metrics.started()

    assert not ended.exists()
    assert counters.read() == ({("requests", ()): [1]}, 1)
    assert "weighbridge_workers 1.0" in metrics.text().decode()
    counters.close()
    metrics.counters.close()


def visit(took_ns: int = 30_000) -> Visit:
    made = Visit({})
    made.status, made.images, made.model, made.runtime = 200, 3, "toy@1", "onnxruntime"
    made.watch.ns = dict.fromkeys(STAGES, took_ns)
    return made


def test_a_request_is_counted_whole_and_in_its_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS_DIR, raising=False)
    metrics = Metrics()

    for _ in range(2):
        metrics.observe(visit(), "/predict", "POST")
    text = metrics.text().decode()

    assert 'weighbridge_requests_total{method="POST",route="/predict",status="200"} 2.0' in text
    assert 'weighbridge_request_seconds_bucket{le="0.0001",route="/predict"} 0.0' in text
    assert 'weighbridge_request_seconds_bucket{le="0.00025",route="/predict"} 2.0' in text
    assert 'weighbridge_request_seconds_count{route="/predict"} 2.0' in text
    assert 'weighbridge_images_sum{model="toy@1",runtime="onnxruntime"} 6.0' in text
    for stage in STAGES:
        found = re.search(rf'weighbridge_stage_seconds_sum\{{.*stage="{stage}"\}} (\S+)', text)
        assert found
        assert float(found[1]) == pytest.approx(60e-6)


def test_a_number_that_another_thread_takes_between_two_stages_goes_to_neither(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(MULTIPROCESS_DIR, raising=False)
    metrics = Metrics()
    alone = metrics.counters.slots

    def slots(name: str, labels: tuple[str, ...], kind: Kind, count: int) -> int:
        if "infer" in labels:
            alone("weighbridge_shadow_images_total", ("trial", "toy@2", "agreed"), "counter", 1)
        return alone(name, labels, kind, count)

    monkeypatch.setattr(metrics.counters, "slots", slots)
    for _ in range(2):
        metrics.observe(visit(), "/predict", "POST")
    text = metrics.text().decode()

    assert 'weighbridge_shadow_images_total{model="toy@2",outcome="agreed",route="trial"} 0.0' in text
    for stage in STAGES:
        assert re.search(rf'weighbridge_stage_seconds_count\{{.*stage="{stage}"\}} 2.0', text)
        found = re.search(rf'weighbridge_stage_seconds_sum\{{.*stage="{stage}"\}} (\S+)', text)
        assert found
        assert float(found[1]) == pytest.approx(60e-6)


def test_what_was_refused_after_it_was_decoded_is_no_answered_image_and_its_wait_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(MULTIPROCESS_DIR, raising=False)
    metrics, late, busy = Metrics(), visit(), visit()
    late.status, busy.status = 504, 503
    late.watch.ns["queue"] = 2_000_000_000

    for refused in (late, busy):
        metrics.observe(refused, "/predict", "POST")
    text = metrics.text().decode()

    assert 'weighbridge_requests_total{method="POST",route="/predict",status="504"} 1.0' in text
    assert "weighbridge_images_sum{" not in text
    sums = dict(re.findall(r'weighbridge_stage_seconds_sum\{.*stage="(\w+)"\} (\S+)', text))
    assert float(sums.pop("queue")) == pytest.approx(2.00003)
    assert set(sums.values()) == {"0.0"}

    metrics.observe(visit(), "/predict", "POST")
    assert re.search(r'weighbridge_stage_seconds_count\{.*stage="queue"\} 3.0', metrics.text().decode())


def test_what_people_are_woken_for_is_there_from_the_start_at_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS_DIR, raising=False)
    metrics = Metrics()

    metrics.started()
    metrics.tell_ready({"toy@1": True})
    text = metrics.text().decode()

    for problem in PROBLEMS:
        assert f'weighbridge_problems_total{{problem="{problem}"}} 0.0' in text
    for status in (200, 422, 500, 503, 504):
        assert f'weighbridge_requests_total{{method="POST",route="/predict",status="{status}"}} 0.0' in text
    assert 'weighbridge_refused_total{model="toy@1",problem="overloaded"} 0.0' in text
    assert "weighbridge_log_dropped_total 0.0" in text


def test_a_value_on_a_bound_belongs_to_its_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS_DIR, raising=False)
    metrics = Metrics()
    for size in (1, 2, 3, 100_000):
        metrics.batches.labels("toy@1", "onnxruntime").observe(size)

    text = metrics.text().decode()

    for bound, count in (("1.0", 1), ("2.0", 2), ("4.0", 3), ("10000.0", 3), ("+Inf", 4)):
        assert f'weighbridge_batch_images_bucket{{le="{bound}",model="toy@1",runtime="onnxruntime"}} {count}.0' in text


def test_every_family_is_announced_before_it_has_a_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS_DIR, raising=False)

    text = Metrics().text().decode()

    for family in FAMILIES:
        assert f"# HELP {family.name} " in text


def test_what_waits_and_what_a_worker_weighs_is_told_when_the_heart_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS_DIR, raising=False)
    metrics = Metrics()

    metrics.beat({("toy@1", "onnxruntime"): 5})
    assert 'weighbridge_queue_depth{model="toy@1",runtime="onnxruntime"} 5.0' in metrics.text().decode()
    metrics.beat({})
    text = metrics.text().decode()

    assert 'weighbridge_queue_depth{model="toy@1",runtime="onnxruntime"} 0.0' in text
    if Path("/proc/self/statm").exists():
        assert float(re.findall(r"^weighbridge_resident_bytes (\S+)$", text, re.MULTILINE)[0]) > 1e6
