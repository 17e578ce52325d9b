from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.cgroup import CgroupLimits, read_cgroup_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    FakeRoot = Callable[[Mapping[str, str]], Path]

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate"
OTHER_MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard"""
# Docker on a version 1 host, without a cgroup namespace: the container sees its own part mounted.
V1_MOUNTS = """\
31 28 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 /docker/4f2a /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:11 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 /docker/4f2a /sys/fs/cgroup/cpuset ro,nosuid master:13 - cgroup cgroup rw,cpuset
40 31 0:37 /docker/4f2a /sys/fs/cgroup/systemd ro,nosuid master:9 - cgroup cgroup rw,xattr,name=systemd"""
V1_CGROUPS = """\
11:cpuset:/docker/4f2a
4:cpu,cpuacct:/docker/4f2a
1:name=systemd:/docker/4f2a
0::/system.slice/containerd.service"""


def v2(path: str) -> dict[str, str]:
    return {"proc/self/mountinfo": f"{OTHER_MOUNTS}\n{V2_MOUNT}", "proc/self/cgroup": f"0::{path}"}


def test_v2_container_with_two_cpus_of_time(fake_root: FakeRoot) -> None:
    root = fake_root(v2("/") | {"sys/fs/cgroup/cpu.max": "200000 100000"})
    assert read_cgroup_limits(root) == CgroupLimits(quota=2.0, cpus=frozenset())


def test_v2_without_limits(fake_root: FakeRoot) -> None:
    files = {"sys/fs/cgroup/a.slice/cpu.max": "max 100000", "sys/fs/cgroup/a.slice/cpuset.cpus.effective": ""}
    assert read_cgroup_limits(fake_root(v2("/a.slice") | files)) == CgroupLimits(quota=None, cpus=frozenset())


@pytest.mark.parametrize(
    ("leaf", "parent", "limit"), [("max", "2147483648", 2**31), ("1024", "2048", 1024), ("max", "max", None)]
)
def test_v2_tightest_memory_counts(fake_root: FakeRoot, leaf: str, parent: str, limit: int | None) -> None:
    files = {"sys/fs/cgroup/pod/memory.max": parent, "sys/fs/cgroup/pod/ctr/memory.max": leaf}
    assert read_cgroup_limits(fake_root(v2("/pod/ctr") | files)).memory_bytes == limit


@pytest.mark.parametrize(
    ("leaf", "parent", "quota"),
    [("max 100000", "150000 100000", 1.5), ("400000 100000", "150000 100000", 1.5), ("50000 50000", "max 100000", 1.0)],
)
def test_v2_tightest_quota_on_the_way_up_counts(fake_root: FakeRoot, leaf: str, parent: str, quota: float) -> None:
    root = fake_root(
        v2("/kubepods/pod7/ctr")
        | {
            "sys/fs/cgroup/kubepods/cpu.max": "800000 100000",
            "sys/fs/cgroup/kubepods/pod7/cpu.max": parent,
            "sys/fs/cgroup/kubepods/pod7/ctr/cpu.max": leaf,
            "sys/fs/cgroup/kubepods/pod8/cpu.max": "10000 100000",
        }
    )
    assert read_cgroup_limits(root).quota == quota


def test_v2_nearest_cpuset_counts_though_the_parent_lacks_a_partitions_cpus(fake_root: FakeRoot) -> None:
    root = fake_root(
        v2("/part/job")
        | {
            "sys/fs/cgroup/cpuset.cpus.effective": "0-3",
            "sys/fs/cgroup/part/cpuset.cpus.effective": "4-7",
            "sys/fs/cgroup/part/cpuset.cpus": "4-9",
        }
    )
    assert read_cgroup_limits(root).cpus == {4, 5, 6, 7}


def test_v1_quota_and_cpuset_below_a_mounted_part(fake_root: FakeRoot) -> None:
    root = fake_root(
        {
            "proc/self/mountinfo": V1_MOUNTS,
            "proc/self/cgroup": V1_CGROUPS,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpuset/cpuset.cpus": "2-5",
        }
    )
    assert read_cgroup_limits(root) == CgroupLimits(quota=2.5, cpus=frozenset({2, 3, 4, 5}))


def test_v1_effective_cpus_go_before_the_configured_ones(fake_root: FakeRoot) -> None:
    root = fake_root(
        {
            "proc/self/mountinfo": V1_MOUNTS,
            "proc/self/cgroup": V1_CGROUPS,
            "sys/fs/cgroup/cpuset/cpuset.cpus": "2-5",
            "sys/fs/cgroup/cpuset/cpuset.effective_cpus": "2-3",
        }
    )
    assert read_cgroup_limits(root).cpus == {2, 3}


def test_v1_without_quota(fake_root: FakeRoot) -> None:
    root = fake_root(
        {
            "proc/self/mountinfo": V1_MOUNTS,
            "proc/self/cgroup": V1_CGROUPS,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        }
    )
    assert read_cgroup_limits(root).quota is None


def test_v1_parents_quota_and_inherited_cpuset(fake_root: FakeRoot) -> None:
    root = fake_root(
        {
            "proc/self/mountinfo": V1_MOUNTS,
            "proc/self/cgroup": V1_CGROUPS.replace("/docker/4f2a", "/docker/4f2a/batch/job"),
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/batch/job/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/batch/job/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpuset/batch/job/cpuset.cpus": "",
            "sys/fs/cgroup/cpuset/batch/cpuset.cpus": "0,2",
        }
    )
    assert read_cgroup_limits(root) == CgroupLimits(quota=3.0, cpus=frozenset({0, 2}))


def test_cgroup_outside_the_mounted_part_reads_the_mount_point(fake_root: FakeRoot) -> None:
    root = fake_root(
        {
            "proc/self/mountinfo": V1_MOUNTS,
            "proc/self/cgroup": V1_CGROUPS.replace("/docker/4f2a", "/elsewhere"),
            "sys/fs/cgroup/cpuset/cpuset.cpus": "1",
        }
    )
    assert read_cgroup_limits(root).cpus == {1}


def test_hybrid_host_reads_both_hierarchies(fake_root: FakeRoot) -> None:
    root = fake_root(
        {
            "proc/self/mountinfo": "32 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
            "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
            "proc/self/cgroup": "3:cpuset:/jobs\n0::/user.slice",
            "sys/fs/cgroup/cpuset/jobs/cpuset.cpus": "0-1",
            "sys/fs/cgroup/unified/user.slice/cpu.max": "100000 100000",
        }
    )
    assert read_cgroup_limits(root) == CgroupLimits(quota=1.0, cpus=frozenset({0, 1}))


def test_no_cgroups_at_all(tmp_path: Path) -> None:
    assert read_cgroup_limits(tmp_path) == CgroupLimits(quota=None, cpus=frozenset())
