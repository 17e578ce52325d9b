"""What a result must say about the machine that made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.hardware.cgroup import read_cgroup_limits
from resnet_fixtures.hardware.cpu_latency import read_cpu_latency_limit
from resnet_fixtures.hardware.cpu_list import format_cpu_list
from resnet_fixtures.hardware.kernel_file import CPUS, read_number, read_text

if TYPE_CHECKING:
    from resnet_fixtures.hardware.isa import Isa
    from resnet_fixtures.hardware.topology import Topology

_HALT_POLL = "sys/module/haltpoll/parameters/guest_halt_poll_ns"


def machine_facts(topology: Topology, isa: Isa, root: Path = Path("/")) -> dict[str, object]:
    """Collect JSON-safe facts of the usable part of the machine; None where the kernel does not tell.

    `cores` counts physical cores, `quota` is in CPUs' worth of time, `smt` says that some core offers two CPUs.
    """
    return {
        "cpu_model": isa.model,
        "isa": isa.name,
        "isa_flags": sorted(isa.flags),
        "cpus": format_cpu_list(cpu.id for cpu in topology.cpus),
        "cores": len(topology.physical),
        "smt": len(topology.cpus) > len(topology.physical),
        "sockets": len(topology.sockets),
        "numa_nodes": len(topology.nodes),
        "quota": topology.quota,
        "memory_bytes": _read_memory_bytes(root),
        "kernel": read_text(root / "proc/sys/kernel/osrelease") or None,
        "governor": _read_governor(topology, root),
        "turbo": _read_turbo(root),
        "idle_states": _read_idle_states(topology, root),
        "cpu_dma_latency_us": read_cpu_latency_limit(root),
    }


def _read_memory_bytes(root: Path) -> int | None:
    """Read the machine's memory from a line like `MemTotal:       24684084 kB`, or what cgroups leave of it."""
    lines = read_text(root / "proc/meminfo").splitlines()
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")]
    limit = read_cgroup_limits(root).memory_bytes
    return min([*sizes, limit] if limit is not None else sizes, default=None)


def _read_governor(topology: Topology, root: Path) -> str | None:
    """Read the frequency governors of the usable CPUs: one name as a rule, several joined by a comma."""
    files = (root / CPUS / f"cpu{cpu.id}/cpufreq/scaling_governor" for cpu in topology.cpus)
    return ",".join(sorted(filter(None, {read_text(file) for file in files}))) or None


def _read_turbo(root: Path) -> bool | None:
    """Read whether the clock may rise above its base: intel_pstate says when it may not, acpi-cpufreq when it may."""
    is_off = read_number(root / CPUS / "intel_pstate/no_turbo")
    if is_off is not None:
        return not is_off
    boost = read_number(root / CPUS / "cpufreq/boost")
    return None if boost is None else bool(boost)


def _read_idle_states(topology: Topology, root: Path) -> str | None:
    """Read the sleep states that a core without work may enter, from the lightest one on, such as `POLL, C1, C6`.

    What is switched off (`cpupower idle-set`) is left out. A virtual machine's haltpoll says how long it waits before
    it halts: `POLL, haltpoll idle, after 0 ns of polling`. The cores are taken to be like the first.
    """
    states = (root / CPUS / f"cpu{topology.cpus[0].id}/cpuidle").glob("state*")
    shallow_first = sorted(states, key=lambda state: int(state.name.removeprefix("state")))
    names = [read_text(state / "name") for state in shallow_first if not read_number(state / "disable")]
    if names and read_text(root / CPUS / "cpuidle/current_governor") == "haltpoll":
        names.append(f"after {read_number(root / _HALT_POLL)} ns of polling")
    return ", ".join(names) or None
