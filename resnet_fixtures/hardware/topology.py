"""The CPUs that this process may use, and where they sit."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.hardware.cgroup import read_cgroup_limits
from resnet_fixtures.hardware.cpu_list import parse_cpu_list
from resnet_fixtures.hardware.kernel_file import CPUS, read_number, read_text

if TYPE_CHECKING:
    from collections.abc import Collection

_NODES = "sys/devices/system/node"


@dataclass(frozen=True)
class Cpu:
    """Place one logical CPU: `core` is the lowest CPU of its SMT siblings, so it is unique across sockets."""

    id: int
    core: int
    socket: int
    node: int


@dataclass(frozen=True)
class Topology:
    """Hold the usable CPUs, sorted by id, and the cgroup CPU quota in CPUs' worth of time (None = unlimited)."""

    cpus: tuple[Cpu, ...]
    quota: float | None = None

    @property
    def sockets(self) -> tuple[int, ...]:
        """List the sockets that have a usable CPU."""
        return tuple(sorted({cpu.socket for cpu in self.cpus}))

    @property
    def nodes(self) -> tuple[int, ...]:
        """List the NUMA nodes that have a usable CPU."""
        return tuple(sorted({cpu.node for cpu in self.cpus}))

    @property
    def cores(self) -> tuple[tuple[Cpu, ...], ...]:
        """Group the CPUs by physical core, neighbours side by side: by socket, then NUMA node, then id."""
        cores: dict[int, list[Cpu]] = {}
        for cpu in self.cpus:
            cores.setdefault(cpu.core, []).append(cpu)
        return tuple(sorted(map(tuple, cores.values()), key=lambda core: (core[0].socket, core[0].node, core[0].id)))

    @property
    def physical(self) -> tuple[Cpu, ...]:
        """Pick the first usable SMT sibling of each core, in the order of `cores`."""
        return tuple(core[0] for core in self.cores)

    def restrict(self, cpus: Collection[int]) -> Topology:
        """Leave only the CPUs with these ids."""
        return replace(self, cpus=tuple(cpu for cpu in self.cpus if cpu.id in cpus))


def read_topology(root: Path = Path("/"), affinity: Collection[int] | None = None) -> Topology:
    """Read the CPUs that affinity, cgroups and hot-plugging leave to this process (affinity default: its own).

    Where sysfs says nothing, every CPU is a core of its own on socket 0 and node 0.
    """
    limits = read_cgroup_limits(root)
    usable = frozenset(_read_affinity() if affinity is None else affinity)
    for restriction in (parse_cpu_list(read_text(root / CPUS / "online")), limits.cpus):
        # The affinity is the kernel's last word: a list that is missing or contradicts it altogether does not count.
        usable = usable & restriction or usable
    packages = _read_packages(root)
    nodes = _read_nodes(root)
    cpus = (_read_cpu(root, cpu, packages.get(cpu, 0), nodes.get(cpu, 0)) for cpu in sorted(usable))
    return Topology(cpus=tuple(cpus), quota=limits.quota)


def _read_affinity() -> Collection[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def _read_cpu(root: Path, cpu: int, socket: int, node: int) -> Cpu:
    """Find the core by the sibling list: core_id repeats across sockets, dies and, on Arm, clusters."""
    siblings = parse_cpu_list(read_text(root / CPUS / f"cpu{cpu}/topology/thread_siblings_list"))
    return Cpu(id=cpu, core=min(siblings, default=cpu), socket=socket, node=node)


def _read_packages(root: Path) -> dict[int, int]:
    """Map every online CPU of the machine to its socket, counted from 0: firmware may number packages 36, 3180."""
    packages = {
        int(file.parts[-3].removeprefix("cpu")): read_number(file) or 0
        for file in (root / CPUS).glob("cpu[0-9]*/topology/physical_package_id")
    }
    numbers = sorted(set(packages.values()))
    return {cpu: numbers.index(package) for cpu, package in packages.items()}


def _read_nodes(root: Path) -> dict[int, int]:
    """Map every CPU of the machine to its NUMA node."""
    folders = (root / _NODES).glob("node[0-9]*")
    return {
        cpu: int(folder.name.removeprefix("node"))
        for folder in folders
        for cpu in parse_cpu_list(read_text(folder / "cpulist"))
    }
