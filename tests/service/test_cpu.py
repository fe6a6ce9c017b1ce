from pathlib import Path

from service.cpu import usable_cores


def test_cores_are_limited_by_the_cgroup_quota(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("50000 100000\n")

    assert usable_cores(quota) == 1


def test_an_unlimited_cgroup_leaves_the_affinity_count(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("max 100000\n")

    assert usable_cores(quota) == usable_cores(tmp_path / "absent") >= 1
