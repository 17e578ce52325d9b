"""Machines that the launch of ranks is planned on."""

from __future__ import annotations

from resnet_fixtures.hardware.topology import Cpu, Topology


def machine(sockets: int, cores: int, smt: int = 1) -> Topology:
    """Lay out a machine whose SMT siblings are numbered far apart, as Linux has them on Intel's."""
    physical = sockets * cores
    return Topology(
        tuple(Cpu(n, n % physical, n % physical // cores, n % physical // cores) for n in range(physical * smt))
    )


TWO_CORES = machine(1, 2)
SMALL = machine(2, 4)
SEED = machine(8, 28, smt=2)  # the seed's convergence run
