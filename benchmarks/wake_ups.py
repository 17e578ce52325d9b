"""Say how much of a step at batch 1 its cores spend falling asleep and waking up, between one operation and the next.

Beside every other turn each core of the plan has a process of Linux's lowest class (SCHED_IDLE), which runs only where
the core would have nothing to do: so the core never halts, and a thread on it wakes in microseconds. On a virtual
machine a halted core costs tens of them, once or twice for each convolution. `idle=poll` and cpuidle's
`guest_halt_poll_ns` do the same for a whole machine.

    python -m benchmarks.wake_ups [int8 fp32 bf16]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.graph.embedded import embedded_graph_file
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.hardware.library_environment import inference_library_environment
from resnet_fixtures.hardware.pinning import pinned, with_environment
from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROUNDS, STEPS = 20, 20
KEEP_AWAKE = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
print(flush=True)
while True:
    pass
"""


def main() -> None:
    """Print one line for each precision that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("precisions", nargs="*", type=Precision, default=list(Precision))
    precisions = parser.parse_args().precisions
    plan = make_thread_plan(read_topology())
    with with_environment(inference_library_environment(plan, os.environ)), pinned(plan.cpus):
        for precision in precisions:
            graph = load_frozen_graph(embedded_graph_file(precision, print), precision)
            with InferenceSession(graph, plan) as session, keepers(plan.cpus) as processes:
                result = compare(partial(session.predict, dummy_images(1)), processes)
                print(f"{precision} batch 1: {result}", flush=True)


def compare(step: Callable[[], object], keepers: Sequence[subprocess.Popen[bytes]]) -> str:
    """Time turns with the keepers asleep and awake, and say what the difference is."""
    asleep_s, awake_s = [], []
    time_turn(step)
    for _ in range(ROUNDS):
        asleep_s.append(time_turn(step))
        for process in keepers:
            process.send_signal(signal.SIGCONT)
        awake_s.append(time_turn(step))
        for process in keepers:
            process.send_signal(signal.SIGSTOP)
    asleep, awake = statistics.median(asleep_s), statistics.median(awake_s)
    share = statistics.median(1 - with_s / without_s for with_s, without_s in zip(awake_s, asleep_s, strict=True))
    counts = f"{ROUNDS} rounds of {STEPS} steps each, in turns, medians"
    return f"{asleep * 1e3:.2f} ms, {awake * 1e3:.2f} ms on cores that stay awake, {share:.1%} less ({counts})"


def time_turn(step: Callable[[], object]) -> float:
    """Return the median of a turn's steps in seconds, after one that does not count."""
    step()
    times = []
    for _ in range(STEPS):
        start_s = time.perf_counter()
        step()
        times.append(time.perf_counter() - start_s)
    return statistics.median(times)


@contextlib.contextmanager
def keepers(cpus: Sequence[int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start one process for each CPU that keeps it awake, stopped until SIGCONT."""
    with contextlib.ExitStack() as stack:
        processes = []
        for cpu in cpus:
            command = [sys.executable, "-S", "-c", KEEP_AWAKE, str(cpu)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()  # it is in its class
            process.send_signal(signal.SIGSTOP)
            processes.append(process)
        yield processes


if __name__ == "__main__":
    main()
