"""Compare two ranks of half the cores with one process of them all: images/s of training on dummies, 224x224.

Each rank has a batch of 16, the one process one of 32, so both work on the same global batch. Runs take turns
(A B A B), each in processes of its own; warm-up steps are left out; printed are medians over all steps and their ratio,
and the share of a step that averaging the gradients takes.

    python -m benchmarks.two_ranks [fp32 bf16]
"""

from __future__ import annotations

import argparse
import os
import statistics

from resnet_fixtures.hardware.thread_plan import ThreadPlan, make_thread_plan
from resnet_fixtures.hardware.topology import Topology, read_topology
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.events import Step
from resnet_fixtures.training.launch import make_launch
from resnet_fixtures.training.layout import Layout, ranks_plan
from resnet_fixtures.training.mpirun import find_mpirun
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.ranks import run_ranks
from resnet_fixtures.training.recipe import TRAINED_PRECISIONS, Recipe

GLOBAL_BATCH = 32
WARMUPS, STEPS = 2, 7


def main() -> None:
    """Print one line for each precision that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("precisions", nargs="*", type=Precision, default=list(TRAINED_PRECISIONS))
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    topology = read_topology()
    for precision in options.precisions:
        print(compare(precision, options.rounds, topology, make_thread_plan(topology)))


def compare(precision: Precision, rounds: int, topology: Topology, plan: ThreadPlan) -> str:
    """Time both layouts in turns and say their ratio."""
    one: list[Step] = []
    two: list[Step] = []
    for _ in range(rounds):
        one += time_steps(precision, Layout(1), topology, plan)
        two += time_steps(precision, Layout(2), topology, plan)
    one_s, two_s = (statistics.median(step.seconds for step in steps) for steps in (one, two))
    share = statistics.median(step.communication_s / step.seconds for step in two)
    return (
        f"{precision}: one process {GLOBAL_BATCH / one_s:.2f} images/s, two ranks {GLOBAL_BATCH / two_s:.2f}: "
        f"{one_s / two_s:.2f} times, averaging takes {share:.1%} of their step ({rounds} rounds of {STEPS} steps)"
    )


def time_steps(precision: Precision, layout: Layout, topology: Topology, plan: ThreadPlan) -> list[Step]:
    """Train some steps and return them without the warm-ups."""
    share = ranks_plan(layout, topology, plan)[0]
    recipe = Recipe(precision=precision, batch_size=GLOBAL_BATCH // layout.processes, ranks=layout.processes)
    order = Order(recipe, share.intra, share.data_intra, train_steps=WARMUPS + STEPS)
    launch = make_launch(layout, topology, plan, find_mpirun() if layout.needs_mpirun else None)
    with run_ranks(launch, order, os.environ) as events:
        return [event for event in events if isinstance(event, Step)][WARMUPS:]


if __name__ == "__main__":
    main()
