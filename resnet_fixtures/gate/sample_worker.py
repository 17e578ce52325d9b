"""The child process of one sample: it times steps, each with the reference kernel right after it.

It reads a SampleOrder, prepares, warms up, and answers with a line of JSON (`greet` and `warmup_s`). Then each line `N`
makes it run N steps and answer with their times, `{"steps_ns": […], "reference_ns": […]}`; after `N 0.05`, which is for
experiments, steps take 5 % longer, spent busily inside the timed part. It ends when its input does, even in the middle
of a step. Only the standard library, numpy and TensorFlow are imported: another environment may have nothing else.
"""

from __future__ import annotations

import gc
import json
import platform
import signal
import statistics
import threading
import time
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

from resnet_fixtures.gate.reference_kernel import ReferenceKernel, reference_facts
from resnet_fixtures.gate.sample_order import SampleBudget, SampleOrder
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.inference.child import run_child
from resnet_fixtures.inference.instance_worker import listen, take_standard_output
from resnet_fixtures.training.leash import tie_to_parent

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet_fixtures.graph.frozen import FrozenGraph

RECENT_STEPS = 9  # whose median says how long a step takes at present


class StepTimer:
    """Times a step, then the reference beside it, and again; `clock` counts nanoseconds."""

    def __init__(
        self,
        step: Callable[[], object],
        reference: Callable[[], object] | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._step = step
        self._reference = reference
        self._clock = clock
        self._recent: deque[int] = deque(maxlen=RECENT_STEPS)

    def warm_up(self, budget: SampleBudget) -> list[float]:
        """Run the warm-ups and return their seconds."""
        seconds: list[float] = []
        while budget.needs_warmup(seconds):
            seconds.append(self._time_step(0.0) / 1e9)
            self._time_reference()
        return seconds

    def run(self, steps: int, slowdown: float = 0.0) -> dict[str, list[int]]:
        """Time so many steps, longer by a share, and their references if there are any, in nanoseconds."""
        times: dict[str, list[int]] = {"steps_ns": [], "reference_ns": []}
        for _ in range(steps):
            times["steps_ns"].append(self._time_step(slowdown))
            times["reference_ns"].extend(self._time_reference())
        return times

    def _time_step(self, slowdown: float) -> int:
        start_ns = self._clock()
        self._step()
        end_ns = self._clock()
        self._recent.append(end_ns - start_ns)
        if slowdown:
            until_ns = end_ns + slowdown * statistics.median(self._recent)
            while end_ns < until_ns:
                end_ns = self._clock()
        return end_ns - start_ns

    def _time_reference(self) -> list[int]:
        if self._reference is None:
            return []
        start_ns = self._clock()
        self._reference()
        return [self._clock() - start_ns]


def main() -> None:
    """Serve the parent until it hangs up."""
    tie_to_parent(signal.SIGKILL)
    reports = take_standard_output()
    commands: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=listen, args=(commands,), daemon=True).start()
    order = SampleOrder.from_json(commands.get().decode())
    graph = order.child.load_pinned()
    reference = load_reference(order, graph)
    timer = make_timer(order, graph, reference)
    reports.write(_line({**greet(order, reference), "warmup_s": timer.warm_up(order.budget)}))
    gc.freeze()  # what is alive stays so: no step pays for looking through it
    while True:
        steps, *slowdown = commands.get().split()
        reports.write(_line(timer.run(int(steps), *map(float, slowdown))))


def load_reference(order: SampleOrder, graph: FrozenGraph) -> FrozenGraph | None:
    """Return the reference kernel's graph, which may be the step's own; None where there is none."""
    if order.reference_file is None or order.reference_file == order.child.graph_file:
        return graph if order.reference_file else None
    return load_frozen_graph(order.reference_file, order.child.precision)


def make_timer(order: SampleOrder, graph: FrozenGraph, reference: FrozenGraph | None) -> StepTimer:
    """Run the graph once, checked, and return its timer."""
    session, images = order.child.open_session(graph)
    kernel = ReferenceKernel(reference, *describe_steps(order)) if reference else None
    return StepTimer(lambda: session.predict(images), kernel)


def greet(order: SampleOrder, reference: FrozenGraph | None) -> dict[str, object]:
    """Say which versions run here, and what the reference is."""
    import numpy as np
    import tensorflow as tf

    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}
    facts = reference_facts(reference, *describe_steps(order)) if reference else None
    return {"versions": versions, "reference": facts}


def describe_steps(order: SampleOrder) -> tuple[int, int]:
    """Return what the reference kernel depends on beside its graph: threads and batch size."""
    return order.child.plan.intra, order.child.batch_size


def _line(content: object) -> bytes:
    return json.dumps(content).encode() + b"\n"


if __name__ == "__main__":
    run_child(main)
