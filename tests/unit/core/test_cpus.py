"""CPUs of this process: those it may run on, and what control groups leave of them."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.cpus import cpu_quota, usable_cpus


@pytest.fixture
def quota(tmp_path: Path):
    """Give the quota of a process in a made-up tree of control groups."""

    def quota(own: str, files: Mapping[str, str]) -> float | None:
        (tmp_path / "own").write_text(own)
        for name, content in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return cpu_quota(tmp_path / "cgroup", tmp_path / "own")

    return quota


V1 = "4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "25000 50000\n"}, 0.5),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "300000 100000\n"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "300000 100000\n"}, 3),
        ("0::/a\n", {"other/cpu.max": "100000 100000\n"}, None),
        ("0::/kubepods/pod1/abc\n", {"cpu.max": "250000 100000\n"}, 2.5),
        ("0::/../../abc\n", {"cpu.max": "100000 100000\n"}, 1),
        (
            V1,
            {
                "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "350000\n",
                "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            3.5,
        ),
        (
            V1,
            {
                "cpu/docker/cpu.cfs_quota_us": "100000\n",
                "cpu/docker/cpu.cfs_period_us": "50000\n",
                "cpu/docker/abc/cpu.cfs_quota_us": "-1\n",
                "cpu/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            V1,
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            "1:cpu:/\n0::/jobs\n",
            {
                "unified/jobs/cpu.max": "300000 100000\n",
                "cpu/cpu.cfs_quota_us": "-1\n",
                "cpu/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        ("", {}, None),
        ("nonsense\n", {"cpu.max": "nonsense\n"}, None),
        ("0::/\n", {"cpu.max": "100000 0\n"}, None),
    ],
)
def test_the_least_quota_on_the_way_up_counts(quota, own: str, files, expected: float | None):
    assert quota(own, files) == expected


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path):
    assert cpu_quota(tmp_path / "nowhere", tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("allowed", "quota", "expected"),
    [(64, 2.0, 2), (64, 1.5, 2), (64, 0.1, 1), (2, 8.0, 2), (4, 4.0, 4), (1, 0.5, 1)],
)
def test_a_part_of_a_cpu_counts_as_one_and_none_counts_twice(allowed, quota, expected):
    assert usable_cpus(allowed, quota=quota) == expected


def test_this_process_has_a_cpu_and_no_more_than_it_may_run_on():
    assert 1 <= usable_cpus() <= len(os.sched_getaffinity(0))
