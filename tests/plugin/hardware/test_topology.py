from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.topology import Cpu, Topology, read_topology

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    FakeRoot = Callable[[Mapping[str, str]], Path]

CPUS = "sys/devices/system/cpu"
NODES = "sys/devices/system/node"
V2 = {
    "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
    "proc/self/cgroup": "0::/",
}


def sysfs(online: str, packages: list[int], siblings: list[str], nodes: dict[int, str]) -> dict[str, str]:
    """List the files of a machine; packages and sibling lists by CPU, a CPU without siblings is offline."""
    files = {f"{CPUS}/online": online} | {f"{NODES}/node{node}/cpulist": cpus for node, cpus in nodes.items()}
    for cpu, (package, mates) in enumerate(zip(packages, siblings, strict=True)):
        if mates:
            files[f"{CPUS}/cpu{cpu}/topology/physical_package_id"] = str(package)
            files[f"{CPUS}/cpu{cpu}/topology/thread_siblings_list"] = mates
    return files


ONE_SOCKET_NO_SMT = sysfs("0-3", [0, 0, 0, 0], ["0", "1", "2", "3"], {0: "0-3"})
TWO_SOCKETS_ADJACENT = sysfs(
    "0-7", [0, 0, 0, 0, 1, 1, 1, 1], ["0-1", "0-1", "2-3", "2-3", "4-5", "4-5", "6-7", "6-7"], {0: "0-3", 1: "4-7"}
)
TWO_SOCKETS_SPLIT = sysfs(
    "0-7",
    [0, 0, 1, 1, 0, 0, 1, 1],
    ["0,4", "1,5", "2,6", "3,7", "0,4", "1,5", "2,6", "3,7"],
    {0: "0-1,4-5", 1: "2-3,6-7"},
)


def ids(cpus: tuple[Cpu, ...]) -> list[int]:
    return [cpu.id for cpu in cpus]


def test_one_socket_without_smt(fake_root: FakeRoot) -> None:
    topology = read_topology(fake_root(ONE_SOCKET_NO_SMT), affinity=range(4))
    assert topology == Topology(tuple(Cpu(id=n, core=n, socket=0, node=0) for n in range(4)), quota=None)
    assert topology.physical == topology.cpus


def test_two_sockets_with_adjacent_siblings(fake_root: FakeRoot) -> None:
    topology = read_topology(fake_root(TWO_SOCKETS_ADJACENT), affinity=range(8))
    assert [cpu.core for cpu in topology.cpus] == [0, 0, 2, 2, 4, 4, 6, 6]
    assert ids(topology.physical) == [0, 2, 4, 6]
    assert (topology.sockets, topology.nodes) == ((0, 1), (0, 1))


def test_two_sockets_with_split_siblings(fake_root: FakeRoot) -> None:
    topology = read_topology(fake_root(TWO_SOCKETS_SPLIT), affinity=range(8))
    assert [cpu.core for cpu in topology.cpus] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [cpu.socket for cpu in topology.cpus] == [0, 0, 1, 1, 0, 0, 1, 1]
    assert [cpu.node for cpu in topology.cpus] == [0, 0, 1, 1, 0, 0, 1, 1]
    assert [ids(core) for core in topology.cores] == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert ids(topology.physical) == [0, 1, 2, 3]


def test_sockets_that_take_turns_in_numbering_are_grouped(fake_root: FakeRoot) -> None:
    files = sysfs("0-3", [0, 1, 0, 1], ["0", "1", "2", "3"], {0: "0,2", 1: "1,3"})
    topology = read_topology(fake_root(files), affinity=range(4))
    assert ids(topology.cpus) == [0, 1, 2, 3]
    assert ids(topology.physical) == [0, 2, 1, 3]


def test_smt_switched_off_leaves_the_first_siblings(fake_root: FakeRoot) -> None:
    files = sysfs("0-3", [0] * 8, ["0", "1", "2", "3", "", "", "", ""], {0: "0-3"})
    topology = read_topology(fake_root(files), affinity=range(4))
    assert ids(topology.cpus) == ids(topology.physical) == [0, 1, 2, 3]


def test_numa_nodes_within_a_socket(fake_root: FakeRoot) -> None:
    files = sysfs("0-3", [0] * 4, ["0", "1", "2", "3"], {0: "0,2", 1: "1,3"})
    topology = read_topology(fake_root(files), affinity=range(4))
    assert (topology.sockets, topology.nodes) == ((0,), (0, 1))
    assert ids(topology.physical) == [0, 2, 1, 3]


@pytest.mark.parametrize("packages", [[36, 36, 3180, 3180], [-1, -1, 0, 0]])
def test_package_numbers_of_firmware_become_0_1(fake_root: FakeRoot, packages: list[int]) -> None:
    files = sysfs("0-3", packages, ["0", "1", "2", "3"], {0: "0-3"})
    assert [cpu.socket for cpu in read_topology(fake_root(files), affinity=range(4)).cpus] == [0, 0, 1, 1]


def test_affinity_to_part_of_the_second_socket_keeps_its_number(fake_root: FakeRoot) -> None:
    topology = read_topology(fake_root(TWO_SOCKETS_SPLIT), affinity={3, 6, 7})
    assert topology.sockets == (1,)
    assert [ids(core) for core in topology.cores] == [[3, 7], [6]]
    assert ids(topology.cpus) == [3, 6, 7]


def test_offline_cpu_is_not_usable(fake_root: FakeRoot) -> None:
    files = sysfs("0,2-3", [0] * 4, ["0", "", "2", "3"], {0: "0,2-3"})
    assert ids(read_topology(fake_root(files), affinity=range(4)).cpus) == [0, 2, 3]


def test_cpuset_is_obeyed(fake_root: FakeRoot) -> None:
    files = ONE_SOCKET_NO_SMT | V2 | {"sys/fs/cgroup/cpuset.cpus.effective": "1-2"}
    assert ids(read_topology(fake_root(files), affinity=range(4)).cpus) == [1, 2]


def test_cpuset_that_contradicts_the_affinity_does_not_count(fake_root: FakeRoot) -> None:
    files = ONE_SOCKET_NO_SMT | V2 | {"sys/fs/cgroup/cpuset.cpus.effective": "64-65"}
    assert ids(read_topology(fake_root(files), affinity={0, 1}).cpus) == [0, 1]


def test_quota_of_a_container_with_two_cpus(fake_root: FakeRoot) -> None:
    topology = read_topology(fake_root(TWO_SOCKETS_SPLIT | V2 | {"sys/fs/cgroup/cpu.max": "200000 100000"}), range(8))
    assert topology.quota == 2.0
    assert len(topology.cpus) == 8


def test_missing_sysfs_makes_every_cpu_a_core_of_socket_0(tmp_path: Path) -> None:
    topology = read_topology(tmp_path, affinity={5, 3})
    assert topology.cpus == (Cpu(id=3, core=3, socket=0, node=0), Cpu(id=5, core=5, socket=0, node=0))


def test_restrict_keeps_the_quota() -> None:
    topology = Topology(tuple(Cpu(n, n, 0, 0) for n in range(4)), quota=1.5)
    assert topology.restrict({1, 3, 9}) == Topology((Cpu(1, 1, 0, 0), Cpu(3, 3, 0, 0)), quota=1.5)


def test_this_machine_offers_what_the_affinity_says() -> None:
    assert set(ids(read_topology().cpus)) <= os.sched_getaffinity(0)
    assert read_topology().physical
