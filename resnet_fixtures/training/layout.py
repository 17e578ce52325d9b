"""How many ranks a training has, and which cores each of them gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.thread_plan import instance_plans

if TYPE_CHECKING:
    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from resnet_fixtures.hardware.topology import Topology

MAX_PROCESSES = 1 << 20  # of a training: a larger number only pretends, and could not be listed


@dataclass(frozen=True)
class Layout:
    """How many ranks there are and where: evenly on the hosts, or on this machine alone where none is named.

    `per_socket` is the number of ranks on a socket; None shares the cores of a host evenly among its ranks.
    Raises InputError for numbers below one or above MAX_PROCESSES, and for hosts without a rank.
    """

    processes: int = 1
    per_socket: int | None = None
    hostnames: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for option, number in (("processes", self.processes), ("processes-per-socket", self.per_socket)):
            if number is not None and number < 1:
                raise InputError(f"--mpi-num-{option} {number} is not a positive number: pass 1 or more.")
            if number is not None and number > MAX_PROCESSES:
                raise InputError(
                    f"--mpi-num-{option} {number} is more than a training can have: pass at most {MAX_PROCESSES}."
                )
        if len(self.hostnames) > self.processes:
            raise InputError(
                f"--mpi-hostnames names {len(self.hostnames)} hosts for {self.processes} ranks: "
                f"pass --mpi-num-processes {len(self.hostnames)} or more."
            )

    @property
    def slots(self) -> tuple[int, ...]:
        """Count the ranks of each host; the first ones take what does not divide."""
        hosts = max(1, len(self.hostnames))
        return tuple(self.processes // hosts + (place < self.processes % hosts) for place in range(hosts))

    @property
    def needs_mpirun(self) -> bool:
        """Tell whether there is more than one process, or another host."""
        return self.processes > 1 or bool(self.hostnames)


def ranks_plan(layout: Layout, topology: Topology, plan: ThreadPlan) -> tuple[ThreadPlan, ...]:
    """Cut the plan into equal shares, each a whole number of cores, for the ranks of a host.

    Other hosts are taken to be like this one; with more ranks each than there are cores here, a rank gets one, and
    mpirun says if they are too few. Raises InputError for more ranks than cores where no host is named.
    """
    if not layout.needs_mpirun:
        return (plan,)
    cores, ranks = len(topology.restrict(plan.cpus).cores), layout.slots[0]
    if layout.hostnames and ranks > cores:
        return instance_plans(topology, plan, 1)[:1] * ranks
    if ranks > cores:
        raise InputError(
            f"--mpi-num-processes {ranks} is more than the {_count(cores, 'core')} of the run: pass at most {cores}."
        )
    if layout.per_socket is not None:
        return _share_sockets(topology, plan, ranks, layout.per_socket)
    # A share does not span sockets while one has room for it, so there may be fewer large shares than ranks.
    attempts = (instance_plans(topology, plan, size) for size in range(cores // ranks, 0, -1))
    return next(shares[:ranks] for shares in attempts if len(shares) >= ranks)


def _share_sockets(topology: Topology, plan: ThreadPlan, ranks: int, per_socket: int) -> tuple[ThreadPlan, ...]:
    """Put so many ranks on each socket, the first ones first."""
    sockets = [core[0].socket for core in topology.restrict(plan.cpus).cores]
    cores = min(map(sockets.count, plan.sockets))
    option = f"--mpi-num-processes-per-socket {per_socket}"
    if per_socket > cores:
        raise InputError(f"{option} is more than the {_count(cores, 'core')} of a socket: pass at most {cores}.")
    room = per_socket * len(plan.sockets)
    if ranks > room:
        raise InputError(
            f"{option} leaves room for {_count(room, 'rank')}, not for {ranks}: "
            f"pass --mpi-num-processes {room}, or more ranks a socket."
        )
    shares = instance_plans(topology, plan, cores // per_socket)
    chosen = (
        share for socket in plan.sockets for share in [one for one in shares if one.sockets == (socket,)][:per_socket]
    )
    return tuple(chosen)[:ranks]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
