"""Compare a step as the suite times it with a bare `session.make_callable` on the same transformed graph, batch 1.

Also prints the harness' floor: the same path around a null predictor, which does nothing.

    python -m benchmarks.step_overhead
"""

from __future__ import annotations

import os
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.utils import NameWrapper

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.graph.embedded import embedded_graph_file
from resnet_fixtures.graph.frozen import FrozenGraph, load_frozen_graph
from resnet_fixtures.hardware.cpu_latency import choose_cpu_latency_limit, cpu_latency_limit
from resnet_fixtures.hardware.library_environment import inference_library_environment
from resnet_fixtures.hardware.pinning import pinned, with_environment
from resnet_fixtures.hardware.thread_plan import ThreadPlan, make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.session import InferenceSession, session_config
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, STEPS = 40, 10


def main() -> None:
    """Print the ratio and the floor."""
    plan = make_thread_plan(read_topology())
    awake = cpu_latency_limit(choose_cpu_latency_limit(None))
    with with_environment(inference_library_environment(plan, os.environ)), pinned(plan.cpus), awake:
        graph = load_frozen_graph(embedded_graph_file(Precision.INT8, print), Precision.INT8)
        images = dummy_images(1)
        with InferenceSession(graph, plan) as session:
            bare = make_bare_call(graph, plan)
            ours_s, bare_s = alternate(partial(session.predict, images), lambda: bare(images))
        our_step_s, bare_step_s = statistics.median(ours_s), statistics.median(bare_s)
        print(
            f"step through pytest-benchmark: {our_step_s * 1e3:.3f} ms, "
            f"bare prepared call: {bare_step_s * 1e3:.3f} ms, ratio {our_step_s / bare_step_s:.4f} "
            f"({ROUNDS} rounds of {STEPS} in turns, medians)"
        )
        null_s = time_through_benchmark(partial(null_predictor, images), 1000)
        print(f"floor with a null predictor: {statistics.median(null_s) * 1e6:.2f} µs a step")


def alternate(ours: Callable[[], object], bare: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Time both in turns, ours as the suite does it."""
    ours_s: list[float] = []
    bare_s: list[float] = []
    for _ in range(5):
        ours()
        bare()
    for _ in range(ROUNDS):
        ours_s.extend(time_through_benchmark(ours, STEPS))
        bare_s.extend(time_bare(bare, STEPS))
    return ours_s, bare_s


def time_through_benchmark(step: Callable[[], object], rounds: int) -> list[float]:
    """Time a step with pytest-benchmark's own fixture class."""

    class Node:
        name = nodeid = "step"

    fixture = BenchmarkFixture(
        Node(), timer=NameWrapper(time.perf_counter), add_stats=lambda _: None, disable_gc=False, disabled=False,
        min_rounds=1, min_time=0, max_time=1, precision=None, confidence=None, warmup=False, warmup_iterations=0,
        calibration_precision=1, logger=None, warner=None, cprofile=False, cprofile_loops=None, cprofile_dump=None,
    )  # fmt: skip
    fixture.pedantic(step, setup=None, rounds=rounds, iterations=1)
    return list(fixture.stats.stats.data)


def time_bare(call: Callable[[], object], steps: int) -> list[float]:
    """Time a call in a plain loop."""
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def make_bare_call(graph: FrozenGraph, plan: ThreadPlan) -> Callable[[Any], Any]:
    """Return what anybody would write around the transformed graph."""
    import tensorflow as tf

    tf_graph = tf.Graph()
    with tf_graph.as_default():
        tf.graph_util.import_graph_def(graph.graph_def, name="")
    session = tf.compat.v1.Session(graph=tf_graph, config=session_config(plan, graph.graph_def))
    call: Callable[[Any], Any] = session.make_callable(f"{graph.output_name}:0", feed_list=[f"{graph.input_name}:0"])
    return call


def null_predictor(_: object) -> None:
    """Do nothing, so that what remains is the harness."""


if __name__ == "__main__":
    main()
