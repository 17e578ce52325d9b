"""Which CPUs a run uses and how many threads it starts on them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Literal

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.cpu_list import format_cpu_list

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from resnet_fixtures.hardware.topology import Cpu, Topology


@dataclass(frozen=True)
class ThreadRequest:
    """Hold what the user asked for, option by option; None leaves it to the plan."""

    socket_id: int | None = None
    num_cores: int | None = None
    num_intra_threads: int | None = None
    num_inter_threads: int | None = None
    data_num_intra_threads: int | None = None
    data_num_inter_threads: int | None = None

    def counts(self) -> dict[str, int]:
        """Map the options that were given and that count something to their numbers."""
        options = {f"--{field.name.replace('_', '-')}": getattr(self, field.name) for field in fields(self)}
        return {option: n for option, n in options.items() if n is not None and option != "--socket-id"}


NO_REQUEST = ThreadRequest()


@dataclass(frozen=True)
class ThreadPlan:
    """Hold the CPUs to run on and the sizes of TensorFlow's pools, the model's and the data pipeline's.

    `quota` is the cgroup's, in CPUs' worth of time. `smt_siblings` counts the CPUs beyond the first of each core.
    """

    cpus: tuple[int, ...]
    intra: int
    inter: int
    data_intra: int
    data_inter: int
    quota: float | None
    sockets: tuple[int, ...]
    nodes: tuple[int, ...]
    smt_siblings: int = 0

    def as_dict(self) -> dict[str, object]:
        """Give the plan as JSON would give it back: lists for tuples."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def describe(self) -> str:
        """Say the plan in one line: "2 cores (0-1) on socket 0, intra 2, inter 1, data 2/1"."""
        cores = _count(len(self.cpus) - self.smt_siblings, "core")
        cpus = f"{_count(len(self.cpus), 'SMT thread')} of {cores}" if self.smt_siblings else cores
        sockets = f"{'socket' if len(self.sockets) == 1 else 'sockets'} {format_cpu_list(self.sockets)}"
        pools = f"intra {self.intra}, inter {self.inter}, data {self.data_intra}/{self.data_inter}"
        quota = "" if self.quota is None else f", quota {self.quota:g} CPUs"
        return f"{cpus} ({format_cpu_list(self.cpus)}) on {sockets}, {pools}{quota}"


def make_thread_plan(topology: Topology, request: ThreadRequest = NO_REQUEST) -> ThreadPlan:
    """Choose CPUs and pool sizes: what was asked for, else the launcher's rules on the CPUs that are really there.

    One thread for each physical core, on as many cores as the cgroup quota feeds; SMT siblings only when more CPUs
    are asked for than there are cores; one inter-op thread for each socket. Raises InputError for more than there is.
    """
    place = _choose_place(topology, request)
    _check_counts(place, request)
    chosen = place.restrict(_choose_cpus(place, request))
    size = len(chosen.cpus)
    return ThreadPlan(
        cpus=tuple(cpu.id for cpu in chosen.cpus),
        intra=request.num_intra_threads or size,
        inter=request.num_inter_threads or len(chosen.sockets),
        data_intra=request.data_num_intra_threads or size,
        data_inter=request.data_num_inter_threads or 1,
        quota=topology.quota,
        sockets=chosen.sockets,
        nodes=chosen.nodes,
        smt_siblings=size - len(chosen.physical),
    )


def worker_plan(topology: Topology, plan: ThreadPlan, index: int, count: int) -> ThreadPlan:
    """Give worker `index` of `count` (from 0) neighbouring cores of its own; more workers than cores share them.

    xdist numbers the worker that replaces a crashed one beyond `count`: it shares the cores of an earlier one.
    """
    cores = topology.restrict(plan.cpus).cores
    if count > len(cores):
        return _narrow(topology, plan, [cores[index % len(cores)]])
    turn = index % count
    return _narrow(topology, plan, cores[turn * len(cores) // count : (turn + 1) * len(cores) // count])


def instance_plans(
    topology: Topology, plan: ThreadPlan, cores_per_instance: int | Literal["socket"]
) -> tuple[ThreadPlan, ...]:
    """Cut the plan into instances of so many cores each, or of one socket each.

    An instance spans sockets only when no socket has enough cores. What is left over belongs to nobody: see
    `idle_cpus`. Raises InputError for more cores than the plan has.
    """
    cores = topology.restrict(plan.cpus).cores
    sockets = [[core for core in cores if core[0].socket == socket] for socket in plan.sockets]
    if cores_per_instance == "socket":
        return tuple(_narrow(topology, plan, socket) for socket in sockets)
    _check_instance(cores_per_instance, len(cores))
    chunks = list(chain.from_iterable(_cut(socket, cores_per_instance) for socket in sockets))
    return tuple(_narrow(topology, plan, chunk) for chunk in chunks or _cut(cores, cores_per_instance))


def idle_cpus(plan: ThreadPlan, instances: Sequence[ThreadPlan]) -> tuple[int, ...]:
    """List the plan's CPUs that no instance uses, so that the report can name them."""
    used = {cpu for instance in instances for cpu in instance.cpus}
    return tuple(cpu for cpu in plan.cpus if cpu not in used)


def _choose_place(topology: Topology, request: ThreadRequest) -> Topology:
    if request.socket_id is None:
        return topology
    if request.socket_id not in topology.sockets:
        raise InputError(
            f"--socket-id {request.socket_id} is not among the sockets that this process may use "
            f"({format_cpu_list(topology.sockets)}); pass one of these or leave the option out."
        )
    return topology.restrict({cpu.id for cpu in topology.cpus if cpu.socket == request.socket_id})


def _check_counts(place: Topology, request: ThreadRequest) -> None:
    for option, count in request.counts().items():
        limit, reason = _find_limit(place, replace(request, num_cores=None) if option == "--num-cores" else request)
        if count < 1:
            raise InputError(f"{option} {count} is not a positive number; pass 1 to {limit} or leave the option out.")
        if count > limit:
            raise InputError(f"{option} {count} is more than {reason}; pass at most {limit}.")


def _find_limit(place: Topology, request: ThreadRequest) -> tuple[int, str]:
    """Find how many CPUs there are for the threads, and what to call them in a sentence."""
    if request.num_cores is not None:
        return request.num_cores, f"the {request.num_cores} of --num-cores"
    available = _count_available(place)
    where = "" if request.socket_id is None else f" on socket {request.socket_id}"
    why = f" under its cgroup quota of {place.quota:g}" if available < len(place.cpus) else ""
    return available, f"the {_count(available, 'CPU')} that this process may use{where}{why}"


def _count_available(place: Topology) -> int:
    """Count the CPUs that can run at once: a quota of 1.5 CPUs feeds two."""
    return len(place.cpus) if place.quota is None else min(len(place.cpus), max(1, math.ceil(place.quota)))


def _choose_cpus(place: Topology, request: ThreadRequest) -> set[int]:
    """Take as many CPUs as asked for: first one of each core, then, if more are needed, their siblings."""
    default = min(len(place.physical), _count_available(place))
    count = request.num_cores or max(default, request.num_intra_threads or 0)
    turns = chain.from_iterable(zip_longest(*place.cores))
    return set([cpu.id for cpu in turns if cpu is not None][:count])


def _narrow(topology: Topology, plan: ThreadPlan, cores: Collection[Sequence[Cpu]]) -> ThreadPlan:
    """Shrink a plan to some of its cores; no pool is larger than the CPUs that are left."""
    part = topology.restrict({cpu.id for core in cores for cpu in core})
    size = len(part.cpus)
    # One inter-op thread a socket is the rule for the part too; any other number was the user's.
    inter = len(part.sockets) if plan.inter == len(plan.sockets) else min(plan.inter, size)
    return replace(
        plan,
        cpus=tuple(cpu.id for cpu in part.cpus),
        intra=min(plan.intra, size),
        inter=inter,
        data_intra=min(plan.data_intra, size),
        data_inter=min(plan.data_inter, size),
        sockets=part.sockets,
        nodes=part.nodes,
        smt_siblings=size - len(part.physical),
    )


def _check_instance(size: int, cores: int) -> None:
    option = f"--numa-cores-per-instance {size}"
    if size < 1:
        raise InputError(f"{option} is not a positive number; pass 1 to {cores}, or socket.")
    if size > cores:
        raise InputError(f"{option} is more than the {_count(cores, 'core')} of the run; pass at most {cores}.")


def _cut(cores: Sequence[Sequence[Cpu]], size: int) -> list[Sequence[Sequence[Cpu]]]:
    """Cut into pieces of exactly this size; what remains is dropped."""
    return [cores[start : start + size] for start in range(0, len(cores) - size + 1, size)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
