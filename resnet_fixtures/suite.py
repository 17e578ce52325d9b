"""What one pytest run knows: options, machine, thread plan, graphs and data, in one place of `config.stash`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.cpu_latency import choose_cpu_latency_limit
from resnet_fixtures.hardware.isa import Isa, read_isa
from resnet_fixtures.hardware.thread_plan import ThreadPlan, make_thread_plan, worker_plan
from resnet_fixtures.hardware.topology import Topology, read_topology
from resnet_fixtures.options import Options, read_options
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resnet_fixtures.data.imagenet import Split
    from resnet_fixtures.graph.store import GraphStore


@dataclass
class Suite:
    """The state of a run; `graphs` and `split` are there once the inputs have been checked.

    `environ` is the user's environment, for child processes that have a thread plan of their own. `cpu_dma_latency_us`
    is how long a core may take to wake up while tests run, None for as long as it takes.
    """

    options: Options
    topology: Topology
    isa: Isa
    plan: ThreadPlan
    environ: Mapping[str, str]
    cpu_dma_latency_us: int | None = None
    graphs: GraphStore | None = None
    split: Split | None = None


SUITE = pytest.StashKey[Suite]()
CLEANUP = pytest.StashKey[ExitStack]()  # gives the process its CPUs and its environment back
RESULT = pytest.StashKey[dict[str, object]]()  # on an item: the fields of its result


def make_suite(config: pytest.Config) -> Suite:
    """Read options and machine; an InputError for more threads, cores or sockets than there are."""
    options, topology = read_options(config), read_topology()
    plan = make_thread_plan(topology, options.threads)
    worker = getattr(config, "workerinput", None)
    if worker:
        plan = worker_plan(topology, plan, int(worker["workerid"].removeprefix("gw")), worker["workercount"])
    limit_us = choose_cpu_latency_limit(options.cpu_dma_latency)
    return Suite(options, topology, read_isa(), plan, dict(os.environ), limit_us)


def describe(suite: Suite) -> str:
    """Return the line of the header: CPUs and pools, instruction set, and what the CPU only emulates."""
    emulated = [str(precision) for precision in Precision if not suite.isa.is_native(precision)]
    note = f" ({' and '.join(emulated)} emulated)" if emulated else ""
    limit_us = suite.cpu_dma_latency_us
    awake = "" if limit_us is None else f", cores wake up within {limit_us} us"
    return f"resnet_fixtures: {suite.plan.describe()}, {suite.isa.name}{note}{awake}"


def is_distributed(config: pytest.Config) -> bool:
    """Tell whether xdist runs tests side by side, here or in the controller."""
    return hasattr(config, "workerinput") or config.getoption("dist", "no") != "no"


def is_controller(config: pytest.Config) -> bool:
    """Tell xdist's controller, which runs no test itself."""
    return is_distributed(config) and not hasattr(config, "workerinput")
