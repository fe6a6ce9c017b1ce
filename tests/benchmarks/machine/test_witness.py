"""The witness says what others had of the cores, whatever the kernel's counters began with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.machine.witness import STAT, TICK, Side, Witness, affinity, cpu_seconds


def stat(path: Path, **cores: tuple[float, float, float]) -> Path:
    """As Linux writes it, of seconds that cores were busy, idle, and stolen from."""
    lines = ["cpu  1 2 3 4 5 6 7 8 9 10"]
    for core, seconds in cores.items():
        busy, idle, stolen = (round(part / TICK) for part in seconds)
        lines.append(f"{core} {busy} 0 0 {idle} 0 0 0 {stolen} 0 0")
    path.write_text("\n".join([*lines, "intr 1 2 3"]))
    return path


def test_what_is_left_of_a_core_after_the_servers_own_part_is_others(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    witness = Witness(stat(file, cpu0=(10, 5, 1), cpu1=(0, 0, 0)))
    witness.look(2.0, {"server": Side((0,), 3.0)})
    stat(file, cpu0=(10.8, 5.1, 1.1), cpu1=(1, 0, 0))
    witness.look(3.0, {"server": Side((0,), 3.5)})

    assert witness.account() == {
        "at": [2.0, 3.0], "sides": {"server": {"cores": [0], "stolen": [0.1], "others": [0.3], "idle": [0.1]}},
    }


def test_of_several_cores_the_shares_are_of_all_their_time(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    witness = Witness(stat(file, cpu0=(0, 0, 0), cpu1=(0, 0, 0)))
    witness.look(0, {"machine": Side((0, 1), 0.0)})
    stat(file, cpu0=(1, 0, 0), cpu1=(0, 1, 0))
    witness.look(1, {"machine": Side((0, 1), 0.6)})

    account = witness.account()
    assert account is not None
    assert account["sides"]["machine"] | {"cores": []} == {"cores": [], "stolen": [0], "others": [0.2], "idle": [0.5]}


def test_where_a_side_cannot_be_known_only_stolen_time_is_told(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    witness = Witness(stat(file, cpu0=(0, 0, 0)))
    witness.look(0, {"generator": Side((0,), None)})
    stat(file, cpu0=(1, 0, 1))
    witness.look(2, {"generator": Side((0,), None)})

    account = witness.account()
    assert account is not None
    assert account["sides"]["generator"]["others"] == [None]
    assert account["sides"]["generator"]["stolen"] == [0.5]


def test_a_process_that_ended_leaves_what_others_had_unknown(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    witness = Witness(stat(file, cpu0=(0, 0, 0)))
    witness.look(0, {"server": Side((0,), 30.0)})
    stat(file, cpu0=(0.2, 0.3, 0))
    witness.look(0.5, {"server": Side((0,), 0.2)})  # a worker began anew

    account = witness.account()
    assert account is not None
    assert account["sides"]["server"]["others"] == [None]


def test_looks_in_quick_succession_are_one_and_the_last_before_it_counts_is_the_begin(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    witness = Witness(file)
    for at, counts in ((0, False), (0.5, False), (0.9, True), (1.4, True), (1.41, True), (1.42, True), (1.92, True),
                       (1.98, True)):
        stat(file, cpu0=(0, at, 0))
        witness.look(at, {"server": Side((0,), 0.0)}, counts=counts)

    account = witness.account()
    assert account is not None
    assert account["at"] == [0.5, 0.9, 1.42, 1.98]
    assert account["sides"]["server"]["idle"] == [1.0, 1.0, 1.0]


def test_a_system_that_tells_nothing_has_no_account(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "missing")
    for at in range(3):
        witness.look(at, {"server": Side((0,), 0.0)})

    assert witness.account() is None


@pytest.mark.skipif(not STAT.exists(), reason="only Linux counts by core")
def test_a_real_neighbour_on_the_same_core_is_seen(neighbour: Callable[[], tuple[int, int]]) -> None:
    core, pid = neighbour()
    assert affinity(pid) == (core,)
    shares = []
    for own in ([], [pid]):  # as a stranger, then as our own
        witness = Witness()
        for _ in range(2):
            witness.look(time.monotonic(), {"server": Side((core,), cpu_seconds(own))})
            time.sleep(0.5)
        account = witness.account()
        assert account is not None
        shares.append(account["sides"]["server"]["others"][0])

    assert shares[0] > shares[1]
