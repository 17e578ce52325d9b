"""Compare our prepared call with a plain loop written as the seed's script does it, at batch 1.

The plain loop is eval_image_classifier_inference.py's: `optimize_for_inference`, a session for the network and a
second one, with its own 32 and 14 threads, that draws new random images before every step; the step itself is
`session.run` with a feed dictionary. Each is a process of its own that stays, on the cores of the plan; they take turns
(contestants.py). The printed figure is the ratio of the medians of the turns, by the wall clock, drawing included.

    python -m benchmarks.seed_loop
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.contestants import alternate, repeat, serve
from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.graph.embedded import embedded_graph_file
from resnet_fixtures.graph.freeze import INPUT_NAME, OUTPUT_NAME
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.parse import parse_graph
from resnet_fixtures.graph.quantize import run_compressor
from resnet_fixtures.hardware.library_environment import inference_library_environment, library_environment
from resnet_fixtures.hardware.pinning import pin
from resnet_fixtures.hardware.thread_plan import ThreadPlan, make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, STEPS = 20, 20
OURS, SEED_LOOP = "ours", "the seed's loop"


def main() -> None:
    """Print one line for each precision that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("precisions", nargs="*", type=Precision, default=[Precision.FP32, Precision.INT8])
    parser.add_argument("--contestant", choices=[OURS, SEED_LOOP], help=argparse.SUPPRESS)
    options = parser.parse_args()
    for precision in options.precisions:
        if options.contestant:
            step = make_own_step(precision) if options.contestant == OURS else make_seed_loop_step(precision)
            serve(repeat(step, STEPS), STEPS)
        else:
            print(compare(precision), flush=True)


def compare(precision: Precision) -> str:
    """Let both take turns and say how much faster ours is."""
    embedded_graph_file(precision, print)
    names = (OURS, SEED_LOOP)
    commands = {
        name: [sys.executable, "-m", "benchmarks.seed_loop", str(precision), "--contestant", name] for name in names
    }
    ours_s, theirs_s = map(statistics.median, alternate(commands, ROUNDS).values())
    return (
        f"{precision}: ours {1 / ours_s:.1f} images/s, the seed's loop {1 / theirs_s:.1f}: we are "
        f"{theirs_s / ours_s:.2f} times as fast ({ROUNDS} rounds of {STEPS} steps each, in turns, medians)"
    )


def make_own_step(precision: Precision, batch_size: int = 1) -> Callable[[], object]:
    """Pin this process and return a step of the suite's."""
    plan = make_thread_plan(read_topology())
    os.environ.update(inference_library_environment(plan, os.environ))
    pin(plan.cpus)
    session = InferenceSession(load_frozen_graph(embedded_graph_file(precision, print), precision), plan)
    return partial(session.predict, dummy_images(batch_size))


def make_seed_loop_step(precision: Precision) -> Callable[[], object]:
    """Pin this process and return a step of the seed's loop, the drawing of its images included."""
    plan = make_thread_plan(read_topology())
    os.environ.update(library_environment(plan, os.environ))
    pin(plan.cpus)
    return make_seed_loop(graph_for_seed_loop(precision), plan)


def graph_for_seed_loop(precision: Precision) -> Any:
    """Return the graph that a user of the seed has: for int8, what neural-compressor makes of the fp32 graph."""
    if precision is not Precision.INT8:
        file = embedded_graph_file(precision, print)
        return parse_graph(file.read_bytes(), str(file))
    return run_compressor(graph_for_seed_loop(Precision.FP32), INPUT_NAME, OUTPUT_NAME, [dummy_images(8)])


def make_seed_loop(graph_def: Any, plan: ThreadPlan) -> Callable[[], object]:
    """Return a step of the seed's loop: draw images, then run the network's session on them."""
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

    return lambda: session.run("softmax_tensor:0", feed_dict={"input_tensor:0": data_session.run(drawn)})


if __name__ == "__main__":
    main()
