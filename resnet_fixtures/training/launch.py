"""The command that starts the ranks of a training: the worker itself, or mpirun with its arguments."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet_fixtures.inference.child import child_command
from resnet_fixtures.training.layout import ranks_plan
from resnet_fixtures.training.leash import leash_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from resnet_fixtures.hardware.topology import Topology
    from resnet_fixtures.training.layout import Layout
    from resnet_fixtures.training.mpirun import Mpirun

WORKER_COMMAND = tuple(child_command("resnet_fixtures.training.worker"))
# What a rank on another host would miss of this environment; on this one mpirun passes on everything.
FORWARDED = re.compile(r"(OMP|KMP|TF|ONEDNN|DNNL)_\w+|PYTHON\w+|PATH|LD_LIBRARY_PATH|LD_PRELOAD")
# A rank whose neighbour died may hear of it before mpirun does. If it gave up at once, mpirun would blame it.
ABORT_DELAY_S = 10


@dataclass(frozen=True)
class Launch:
    """A command that starts all ranks: their number, and the share of the cores of one of them."""

    command: tuple[str, ...]
    ranks: int
    plan: ThreadPlan

    def describe(self) -> str:
        """Write the command as a shell takes it."""
        return shlex.join(self.command)


def make_launch(
    layout: Layout,
    topology: Topology,
    plan: ThreadPlan,
    mpirun: Mpirun | None = None,
    environ: Mapping[str, str] = os.environ,
    worker: Sequence[str] = WORKER_COMMAND,
) -> Launch:
    """Start the worker itself where a layout is one process of this machine, else by `mpirun`, which it then needs.

    Raises InputError for more ranks than fit.
    """
    share = ranks_plan(layout, topology, plan)[0]
    if not layout.needs_mpirun:
        return Launch(tuple(leash_command("KILL", worker, [plan.cpus])), 1, share)
    if mpirun is None:
        raise TypeError("several ranks need an mpirun: see find_mpirun.")
    arguments = mpirun_arguments(layout, plan, topology, mpirun.socket, environ, worker)
    return Launch((mpirun.path, *arguments), layout.processes, share)


def mpirun_arguments(
    layout: Layout,
    plan: ThreadPlan,
    topology: Topology,
    socket: str,
    environ: Mapping[str, str],
    worker: Sequence[str],
    machine_cpus: int | None = None,
) -> list[str]:
    """List what follows `mpirun`; standard output and error come back with the rank in front of each line.

    `socket` is this mpirun's word for one; `machine_cpus` is the number of CPUs of this machine (default: ask Python).
    """
    hosts = ",".join(f"{host}:{slots}" for host, slots in zip(layout.hostnames, layout.slots, strict=False))
    names = [name for name in sorted(environ) if FORWARDED.fullmatch(name)] if hosts else []
    shares = ranks_plan(layout, topology, plan)
    pins: list[tuple[int, ...]] = []
    cores = len(shares[0].cpus) - shares[0].smt_siblings
    per_socket = _count_per_socket(layout, shares, topology, plan, machine_cpus or os.cpu_count() or 1)
    if per_socket:
        mapping = [f"ppr:{per_socket}:{socket}:pe={cores}", "--bind-to", "core"]
    elif hosts:
        mapping = [f"ppr:{layout.slots[0]}:node:pe={cores}", "--bind-to", "core"]
    else:
        mapping, pins = [f"ppr:{layout.processes}:node", "--bind-to", "none"], [share.cpus for share in shares]
    return [
        *("--allow-run-as-root", "-n", str(layout.processes)),
        *(["--host", hosts] if hosts else []),
        *("--map-by", *mapping, "--tag-output", "--mca", "opal_abort_delay", str(ABORT_DELAY_S)),
        *(argument for name in names for argument in ("-x", name)),
        *leash_command("KILL", worker, pins),
    ]


def _count_per_socket(
    layout: Layout, shares: Sequence[ThreadPlan], topology: Topology, plan: ThreadPlan, machine_cpus: int
) -> int:
    """Count the ranks of a socket where mpirun's own mapping gives each rank the cores of its share; else 0.

    mpirun begins with the first core of the machine's first socket and fills all sockets alike. Of other hosts nothing
    is known but what the user says.
    """
    if layout.hostnames:
        return layout.per_socket or 0
    is_whole = len(topology.cpus) == machine_cpus and len(topology.restrict(plan.cpus).cores) == len(topology.cores)
    counts = {sum(share.sockets == (socket,) for share in shares) for socket in topology.sockets}
    is_even = len(counts) == 1 and all(len(share.sockets) == 1 for share in shares)
    return counts.pop() if is_whole and is_even else 0
