"""Compare our prepared call with a plain loop written as the seed's script does it, at batch 1.

The plain loop is eval_image_classifier_inference.py's: `optimize_for_inference`, a session for the network and a
second one, with its own 32 and 14 threads, that draws new random images before every step; the step itself is
`session.run` with a feed dictionary. Each is a process of its own that stays, on the cores of the plan; they take turns
(contestants.py). The printed figures are ratios of the medians of the turns, by the wall clock, drawing included: of
our prepared call on all cores, as the suite times it; where that keeps cores awake, of the same under
`--cpu-dma-latency system`; and of `--numa-cores-per-instance 1`, a process for each core, which answers more images in
all and each of them later.

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
from resnet_fixtures.hardware.cpu_latency import choose_cpu_latency_limit, cpu_latency_limit
from resnet_fixtures.hardware.library_environment import inference_library_environment, library_environment
from resnet_fixtures.hardware.pinning import pin
from resnet_fixtures.hardware.thread_plan import ThreadPlan, instance_plans, make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.instances import Instances
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, STEPS = 20, 20
OURS, SLEEPY, INSTANCES = "ours", "ours on cores that may fall asleep", "ours with a process for each core"
SEED_LOOP = "the seed's loop"


def main() -> None:
    """Print one line for each precision that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("precisions", nargs="*", type=Precision, default=[Precision.FP32, Precision.INT8])
    parser.add_argument("--contestant", choices=[OURS, SLEEPY, INSTANCES, SEED_LOOP], help=argparse.SUPPRESS)
    options = parser.parse_args()
    for precision in options.precisions:
        if options.contestant:
            compete(options.contestant, precision)
        else:
            print(compare(precision), flush=True)


def compare(precision: Precision) -> str:
    """Let all take turns and say how much faster than the loop ours are."""
    embedded_graph_file(precision, print)
    keeps_awake = choose_cpu_latency_limit(None) is not None
    names = [OURS, *([SLEEPY] if keeps_awake else []), INSTANCES, SEED_LOOP]
    commands = {
        name: [sys.executable, "-m", "benchmarks.seed_loop", str(precision), "--contestant", name] for name in names
    }
    images_per_s = {name: 1 / statistics.median(turns) for name, turns in alternate(commands, ROUNDS).items()}
    loop = images_per_s.pop(SEED_LOOP)
    said = [f"{name} {rate:.1f}, {rate / loop:.2f} times the loop" for name, rate in images_per_s.items()]
    counts = f"{ROUNDS} rounds of {STEPS} steps each, in turns, medians"
    return f"{precision}, images/s: {SEED_LOOP} {loop:.1f}; {'; '.join(said)} ({counts})"


def compete(name: str, precision: Precision) -> None:
    """Be a contestant until nobody asks for a turn."""
    if name == INSTANCES:
        topology = read_topology()
        plans = instance_plans(topology, make_thread_plan(topology), cores_per_instance=1)
        with Instances(embedded_graph_file(precision, print), precision, plans, batch_size=1) as instances:
            serve(partial(run_as_suite, partial(run_instances, instances)), STEPS * len(plans))
    else:
        turn = repeat(make_seed_loop_step(precision) if name == SEED_LOOP else make_own_step(precision), STEPS)
        serve(partial(run_as_suite, turn) if name == OURS else turn, STEPS)


def run_as_suite(turn: Callable[[], object]) -> None:
    """Run a turn on cores that stay awake so long, where the suite would keep them so."""
    with cpu_latency_limit(choose_cpu_latency_limit(None)):
        turn()


def run_instances(instances: Instances) -> None:
    """Run a turn's steps on every core, then halt, because the others take their turns."""
    for _ in range(STEPS):
        instances.wait_step()
    instances.results()


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
