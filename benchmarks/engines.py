"""Compare inference with OpenVINO, which reads the same fp32 graph, and with the seed's plain loop, in fp32 and bf16.

Each contestant is a process of its own that stays; they take turns (contestants.py). The printed figures are ratios of
the medians of the turns, for each batch size. OpenVINO has as many threads and computes in the same precision; the
seed's loop (seed_loop.py) runs at batch 1. All have cores that stay awake, where the suite would keep them so.

    python -m benchmarks.engines --openvino-python PYTHON-WITH-OPENVINO
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.contestants import alternate, repeat, serve

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS_AT_BATCH_1 = 20
HINTS = {"fp32": "f32", "bf16": "bf16"}  # the precisions in which OpenVINO runs the fp32 graph
OURS, OPENVINO, SEED_LOOP = "ours", "openvino", "the seed's loop"


def main() -> None:
    """Print each contestant's images/s and the others' time in units of ours."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precisions", nargs="*", choices=HINTS, default=["fp32"], help="fp32 (default), bf16")
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[1, 32])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--openvino-python", default=sys.executable, help="an interpreter that has openvino and numpy")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        order = json.loads(options.contestant)
        serve(make_steps(**order), count_steps(order["batch"]))
        return
    if subprocess.run([options.openvino_python, "-c", "import openvino"], capture_output=True, check=False).returncode:
        parser.error(f"{options.openvino_python} has no openvino: pass --openvino-python")
    for precision in options.precisions:
        for batch in options.batch_sizes:
            print(compare(precision, batch, options.rounds, options.openvino_python), flush=True)


def compare(precision: str, batch: int, rounds: int, openvino_python: str) -> str:
    """Let all contestants of a precision and a batch size take turns, and say what they gave."""
    from resnet_fixtures.graph.embedded import embedded_graph_file
    from resnet_fixtures.hardware.cpu_latency import choose_cpu_latency_limit, cpu_latency_limit
    from resnet_fixtures.hardware.thread_plan import make_thread_plan
    from resnet_fixtures.hardware.topology import read_topology
    from resnet_fixtures.precision import Precision

    threads = make_thread_plan(read_topology()).intra
    graph_file = embedded_graph_file(Precision.FP32, print)
    names = [OURS, OPENVINO, *([SEED_LOOP] if batch == 1 else [])]
    commands = {}
    for name in names:
        order = {"name": name, "precision": precision, "batch": batch, "threads": threads, "graph": str(graph_file)}
        python = openvino_python if name == OPENVINO else sys.executable
        commands[name] = [python, "-m", "benchmarks.engines", "--contestant", json.dumps(order)]
    with cpu_latency_limit(choose_cpu_latency_limit(None)):
        seconds = {name: statistics.median(turns) for name, turns in alternate(commands, rounds).items()}
    rates = [f"{name} {batch / seconds[name]:.1f} images/s" for name in names]
    ratios = [f"{seconds[name] / seconds[OURS]:.2f} times {name}" for name in names[1:]]
    return f"{precision} batch {batch}: {', '.join(rates)}; we are {', '.join(ratios)} ({rounds} turns, medians)"


def count_steps(batch: int) -> int:
    """Return how many steps a turn has, so that turns are of some length at each batch size."""
    return max(1, STEPS_AT_BATCH_1 // batch)


def make_steps(name: str, precision: str, batch: int, threads: int, graph: str) -> Callable[[], object]:
    """Return a function that runs a turn's steps of a contestant."""
    if name == OPENVINO:
        step = make_openvino_step(precision, batch, threads, graph)
    else:
        from benchmarks.seed_loop import make_own_step, make_seed_loop_step
        from resnet_fixtures.precision import Precision

        kind = Precision(precision)
        step = make_own_step(kind, batch) if name == OURS else make_seed_loop_step(kind)
    return repeat(step, count_steps(batch))


def make_openvino_step(precision: str, batch: int, threads: int, graph: str) -> Callable[[], object]:
    """Return a step of OpenVINO; this interpreter needs nothing of ours."""
    import numpy as np
    import openvino

    core = openvino.Core()
    model = core.read_model(graph)
    model.reshape([batch, 224, 224, 3])
    settings = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    images = np.random.default_rng(0).normal(0, 60, (batch, 224, 224, 3)).astype(np.float32)
    request.set_input_tensor(openvino.Tensor(images))
    return lambda: request.infer()


if __name__ == "__main__":
    main()
