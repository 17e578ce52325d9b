"""Compare our prepared call with a plain loop written as the seed's script does it, at batch 1.

The plain loop is eval_image_classifier_inference.py's: `optimize_for_inference`, a session for the network and a
second one, with its own 32 and 14 threads, that draws new random images before every step; the step itself is
`session.run` with a feed dictionary. Both take turns (A B A B) in one process; the printed figures are ratios of
medians: by the wall clock, and by the seed's own report, which leaves the drawing out.

    python benchmarks/seed_loop.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.graph.embedded import embedded_graph_file
from resnet_fixtures.graph.freeze import INPUT_NAME, OUTPUT_NAME
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.parse import parse_graph
from resnet_fixtures.graph.quantize import run_compressor
from resnet_fixtures.hardware.library_environment import library_environment
from resnet_fixtures.hardware.pinning import pinned, with_environment
from resnet_fixtures.hardware.thread_plan import ThreadPlan, make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, STEPS, WARMUPS = 8, 10, 10


def main() -> None:
    """Print one line for each precision that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("precisions", nargs="*", type=Precision, default=[Precision.FP32, Precision.INT8])
    plan = make_thread_plan(read_topology())
    with with_environment(library_environment(plan, os.environ)), pinned(plan.cpus):
        for precision in parser.parse_args().precisions:
            print(compare(precision, plan))


def compare(precision: Precision, plan: ThreadPlan) -> str:
    """Time both loops in turns and say how much faster ours is, by the seed's own figure and by the wall clock."""
    file = embedded_graph_file(precision, print)
    plain = graph_for_seed_loop(precision)
    ours_s, theirs_s, loop_s = [], [], []
    with InferenceSession(load_frozen_graph(file, precision), plan) as session:
        ours = partial(session.predict, dummy_images(1))
        theirs = make_seed_loop(plain, plan)
        for _ in range(WARMUPS):
            ours()
            theirs()
        for _ in range(ROUNDS):
            ours_s += [seconds for _, seconds in time_calls(ours)]
            timed = time_calls(theirs)
            theirs_s += [seconds for seconds, _ in timed]
            loop_s += [seconds for _, seconds in timed]
    ours_median_s, theirs_median_s, loop_median_s = map(statistics.median, (ours_s, theirs_s, loop_s))
    return (
        f"{precision}: ours {1 / ours_median_s:.1f} images/s; the seed's loop {1 / loop_median_s:.1f}, "
        f"we are {loop_median_s / ours_median_s:.2f} times as fast; its own report, which leaves the drawing of images "
        f"out, {1 / theirs_median_s:.1f}: {theirs_median_s / ours_median_s:.2f} times "
        f"({ROUNDS} rounds of {STEPS} steps each, in turns, medians)"
    )


def graph_for_seed_loop(precision: Precision) -> Any:
    """Return the graph that a user of the seed has: for int8, what neural-compressor makes of the fp32 graph."""
    if precision is not Precision.INT8:
        file = embedded_graph_file(precision, print)
        return parse_graph(file.read_bytes(), str(file))
    return run_compressor(graph_for_seed_loop(Precision.FP32), INPUT_NAME, OUTPUT_NAME, [dummy_images(8)])


def time_calls(call: Callable[[], Any]) -> list[tuple[Any, float]]:
    """Return what each of STEPS calls returned, and its seconds."""
    timed = []
    for _ in range(STEPS):
        start = time.perf_counter()
        returned = call()
        timed.append((returned, time.perf_counter() - start))
    return timed


def make_seed_loop(graph_def: Any, plan: ThreadPlan) -> Callable[[], float]:
    """Return a step of the seed's loop: draw images, then time the network's session alone, feeding included."""
    import tensorflow as tf
    from tensorflow.core.protobuf import rewriter_config_pb2
    from tensorflow.python.tools.optimize_for_inference_lib import optimize_for_inference

    v1 = tf.compat.v1
    names = ([INPUT_NAME], [OUTPUT_NAME])
    optimized = optimize_for_inference(graph_def, *names, tf.float32.as_datatype_enum, toco_compatible=False)
    network = tf.Graph()
    with network.as_default():
        tf.graph_util.import_graph_def(optimized, name="")
    config: Any = v1.ConfigProto(
        intra_op_parallelism_threads=plan.intra, inter_op_parallelism_threads=plan.inter, use_per_session_threads=True
    )
    config.graph_options.rewrite_options.remapping = rewriter_config_pb2.RewriterConfig.AGGRESSIVE
    session = v1.Session(graph=network, config=config)
    data = tf.Graph()
    with data.as_default():
        drawn = v1.random_uniform([1, 224, 224, 3], 0.0, 255.0, dtype=tf.float32, name="synthetic_images")
    data_session = v1.Session(
        graph=data,
        config=v1.ConfigProto(
            intra_op_parallelism_threads=14, inter_op_parallelism_threads=32, use_per_session_threads=True
        ),
    )

    def step() -> float:
        images = data_session.run(drawn)
        start = time.time()
        session.run("softmax_tensor:0", feed_dict={"input_tensor:0": images})
        return time.time() - start

    return step


if __name__ == "__main__":
    main()
