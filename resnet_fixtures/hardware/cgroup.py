"""What control groups, version 1 and 2, leave to this process: CPU time, CPUs and memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from resnet_fixtures.hardware.cpu_list import parse_cpu_list
from resnet_fixtures.hardware.kernel_file import read_number, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Version 2's effective set, version 1's effective set, version 1's configured set.
_CPUSET_FILES = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
# Version 2's, which says `max` where there is no limit, and version 1's, which has a number beyond any memory.
_MEMORY_FILES = ("memory.max", "memory.limit_in_bytes")


@dataclass(frozen=True)
class CgroupLimits:
    """Hold CPU time (in CPUs' worth) and memory (None = unlimited), and the CPUs (empty = not told) of this process."""

    quota: float | None
    cpus: frozenset[int]
    memory_bytes: int | None = None


def read_cgroup_limits(root: Path) -> CgroupLimits:
    """Read the limits of the process' own cgroups and of all their visible parents.

    The tightest quota on the way up counts, and the tightest limit of memory. Of the cpusets the nearest one counts
    alone: it lies within its parents' by the kernel's rules, and a parent's effective set even lacks the CPUs of a
    child that is a partition.
    """
    folders = list(_own_folders_upwards(root))
    quotas = [quota for folder in folders if (quota := _read_quota(folder)) is not None]
    cpusets = (parse_cpu_list(read_text(folder / name)) for folder in folders for name in _CPUSET_FILES)
    limits = (read_number(folder / name) for folder in folders for name in _MEMORY_FILES)
    return CgroupLimits(
        quota=min(quotas, default=None),
        cpus=next(filter(None, cpusets), frozenset()),
        memory_bytes=min((limit for limit in limits if limit is not None), default=None),
    )


def _read_quota(folder: Path) -> float | None:
    quota, _, period = read_text(folder / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        return int(quota) / int(period)
    quota_us = read_number(folder / "cpu.cfs_quota_us")
    period_us = read_number(folder / "cpu.cfs_period_us")
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def _own_folders_upwards(root: Path) -> Iterator[Path]:
    """Yield this process' folder in each mounted hierarchy, then its parents up to the mount point."""
    paths = _read_cgroup_paths(root)
    for mount_point, mount_root, controllers in _read_cgroup_mounts(root):
        for path in {paths[controller] for controller in controllers if controller in paths}:
            below = _path_below(mount_root, path)
            for folder in (below, *below.parents):
                yield root / mount_point.lstrip("/") / folder


def _path_below(mount_root: str, path: str) -> PurePosixPath:
    """Locate a cgroup below the part of the hierarchy that is mounted; the mount point itself if it lies outside."""
    try:
        return PurePosixPath(path).relative_to(mount_root)
    except ValueError:
        return PurePosixPath()


def _read_cgroup_paths(root: Path) -> dict[str, str]:
    """Map each version 1 controller, and "" for version 2, to this process' cgroup: lines like `4:cpu,cpuacct:/a`."""
    paths = {}
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _read_cgroup_mounts(root: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield mount point, mounted root and controllers of each hierarchy.

    Lines like `33 31 0:30 /a /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu`, see proc_pid_mountinfo(5).
    """
    for line in read_text(root / "proc/self/mountinfo").splitlines():
        place, _, kind = line.partition(" - ")
        mount_root, mount_point = place.split()[3:5]
        kind_fields = kind.split()
        if kind_fields[0] == "cgroup2":
            yield mount_point, mount_root, [""]
        elif kind_fields[0] == "cgroup":
            yield mount_point, mount_root, kind_fields[-1].split(",")
