from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.facts import machine_facts
from resnet_fixtures.hardware.isa import Isa
from resnet_fixtures.hardware.topology import Cpu, Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    FakeRoot = Callable[[Mapping[str, str]], Path]

CPUS = "sys/devices/system/cpu"
ISA = Isa(name="avx512_vnni", flags=frozenset({"avx512f", "avx512_vnni", "avx2"}), model="Some Xeon")
SMT = Topology((Cpu(0, 0, 0, 0), Cpu(1, 1, 1, 1), Cpu(4, 0, 0, 0), Cpu(5, 1, 1, 1)), quota=2.5)
MEMORY = "MemTotal:       24684084 kB\nMemFree:        20000000 kB"


def test_everything_that_a_server_tells(fake_root: FakeRoot) -> None:
    root = fake_root(
        {
            "proc/meminfo": MEMORY,
            "proc/sys/kernel/osrelease": "6.8.0-45-generic",
            **{f"{CPUS}/cpu{cpu}/cpufreq/scaling_governor": "performance" for cpu in (0, 1, 4, 5)},
            f"{CPUS}/intel_pstate/no_turbo": "0",
            **{f"{CPUS}/cpu0/cpuidle/state{number}/name": name for number, name in enumerate(("POLL", "C1", "C6"))},
        }
    )
    assert machine_facts(SMT, ISA, root) == {
        "cpu_model": "Some Xeon",
        "isa": "avx512_vnni",
        "isa_flags": ["avx2", "avx512_vnni", "avx512f"],
        "cpus": "0-1,4-5",
        "cores": 2,
        "smt": True,
        "sockets": 2,
        "numa_nodes": 2,
        "quota": 2.5,
        "memory_bytes": 25276502016,
        "kernel": "6.8.0-45-generic",
        "governor": "performance",
        "turbo": True,
        "idle_states": "POLL, C1, C6",
        "cpu_dma_latency_us": None,
    }


def test_facts_are_json(fake_root: FakeRoot) -> None:
    facts = machine_facts(SMT, ISA, fake_root({"proc/meminfo": MEMORY}))
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize(("limit", "memory_bytes"), [(2**30, 2**30), (2**63 - 4096, 25276502016)])
def test_a_container_has_the_memory_that_it_may_use(fake_root: FakeRoot, limit: int, memory_bytes: int) -> None:
    root = fake_root(
        {
            "proc/meminfo": MEMORY,
            "proc/self/cgroup": "5:memory:/",
            "proc/self/mountinfo": "36 31 0:33 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(limit),
        }
    )
    assert machine_facts(SMT, ISA, root)["memory_bytes"] == memory_bytes


def test_what_is_not_told_is_none(tmp_path: Path) -> None:
    facts = machine_facts(Topology((Cpu(0, 0, 0, 0),)), ISA, tmp_path)
    assert [name for name, fact in facts.items() if fact is None] == [
        "quota",
        "memory_bytes",
        "kernel",
        "governor",
        "turbo",
        "idle_states",
        "cpu_dma_latency_us",
    ]
    assert facts["smt"] is False


def test_mixed_governors_are_all_named(fake_root: FakeRoot) -> None:
    files = {
        f"{CPUS}/cpu0/cpufreq/scaling_governor": "powersave",
        f"{CPUS}/cpu1/cpufreq/scaling_governor": "performance",
        f"{CPUS}/cpu9/cpufreq/scaling_governor": "userspace",
    }
    assert machine_facts(SMT, ISA, fake_root(files))["governor"] == "performance,powersave"


@pytest.mark.parametrize(
    ("file", "text", "turbo"),
    [
        ("intel_pstate/no_turbo", "1", False),
        ("intel_pstate/no_turbo", "0", True),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "0", False),
    ],
)
def test_turbo(fake_root: FakeRoot, file: str, text: str, turbo: bool) -> None:
    assert machine_facts(SMT, ISA, fake_root({f"{CPUS}/{file}": text}))["turbo"] is turbo


def test_idle_states_that_are_switched_off_are_left_out(fake_root: FakeRoot) -> None:
    files = {f"{CPUS}/cpu0/cpuidle/state{number}/name": f"C{number}" for number in (0, 1, 2, 10)}
    files |= {f"{CPUS}/cpu0/cpuidle/state{number}/disable": str(int(number == 2)) for number in (0, 1, 2, 10)}
    assert machine_facts(SMT, ISA, fake_root(files))["idle_states"] == "C0, C1, C10"


@pytest.mark.parametrize(
    ("governor", "idle_states"), [("haltpoll", "halt, after 200000 ns of polling"), ("menu", "halt")]
)
def test_polling_before_a_halt_is_that_of_haltpoll(fake_root: FakeRoot, governor: str, idle_states: str) -> None:
    files = {
        f"{CPUS}/cpu0/cpuidle/state0/name": "halt",
        f"{CPUS}/cpuidle/current_governor": governor,
        "sys/module/haltpoll/parameters/guest_halt_poll_ns": "200000",  # there with any governor
    }
    assert machine_facts(SMT, ISA, fake_root(files))["idle_states"] == idle_states
