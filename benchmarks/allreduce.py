"""Compare what averages a training's gradients: mpi4py's Allreduce and TensorFlow's MultiWorkerMirroredStrategy.

Two ranks of one core each average one float32 vector of as many values as ResNet-50 has parameters. Fresh pairs of
processes take turns (A B A B); each warms up, then times single averages, all of whose memory is touched. Rank 0's
medians are printed, and their ratio.

    python -m benchmarks.allreduce
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.child import child_environment
from resnet_fixtures.training.communicator import connect
from resnet_fixtures.training.launch import make_launch
from resnet_fixtures.training.layout import Layout
from resnet_fixtures.training.mpirun import find_mpirun

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = 25_600_000  # ResNet-50 with 1001 classes has 25,559,081 parameters
RANKS, ROUNDS, WARMUPS, TIMES = 2, 5, 3, 7
MARK = "seconds: "


def main() -> None:
    """Take turns, or be one of the ranks that do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=VALUES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rank-of", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--ports", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rank_of:
        be_rank(ENGINES[given.rank_of](given.values, given.ports))
    else:
        print(compare(given.values, given.rounds))


def compare(values: int, rounds: int) -> str:
    """Time both engines in turns."""
    times_s: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for _ in range(rounds):
        for engine in ENGINES:
            times_s[engine] += run_ranks(engine, values)
    ours_s, theirs_s = (statistics.median(times_s[engine]) for engine in ENGINES)
    return (
        f"mean of {values / 1e6:.1f} million float32 over {RANKS} ranks: mpi4py {ours_s:.3f} s, "
        f"MultiWorkerMirroredStrategy (RING) {theirs_s:.3f} s, {theirs_s / ours_s:.1f} times as long "
        f"({rounds} rounds of {TIMES} each, in turns, medians)"
    )


def run_ranks(engine: str, values: int) -> list[float]:
    """Start fresh ranks and return rank 0's seconds."""
    topology = read_topology()
    ports = ",".join(map(str, find_free_ports(RANKS)))
    worker = [sys.executable, __file__, "--rank-of", engine, "--values", str(values), "--ports", ports]
    launch = make_launch(Layout(RANKS), topology, make_thread_plan(topology), find_mpirun(), os.environ, worker)
    done = subprocess.run(
        launch.command,
        env=child_environment(launch.plan, os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    _, mark, told = done.stdout.partition(MARK)
    if done.returncode or not mark:
        sys.exit(f"{engine} failed:\n{done.stderr[-2000:]}")
    seconds: list[float] = json.loads(told.splitlines()[0])
    return seconds


def find_free_ports(count: int) -> list[int]:
    """Ask the kernel for ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def be_rank(average: Callable[[], float]) -> None:
    """Warm up, time the averages, and tell the seconds if this is rank 0."""
    for _ in range(WARMUPS):
        average()
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        mean = average()
        seconds.append(time.perf_counter() - start)
        if mean != (RANKS - 1) / 2:
            raise RuntimeError(f"the mean of the ranks' numbers is not {mean}.")
    if connect().rank == 0:
        print(f"{MARK}{json.dumps(seconds)}")


def prepare_mpi(values: int, ports: str) -> Callable[[], float]:
    """Average as the training does."""
    ranks = connect()
    flat = np.full(values, ranks.rank, np.float32)
    return lambda: float(ranks.mean(flat)[-1])


def prepare_strategy(values: int, ports: str) -> Callable[[], float]:
    """Average as tf.distribute does, inside a tf.function, with the ring over gRPC."""
    rank = connect().rank
    workers = [f"127.0.0.1:{port}" for port in ports.split(",")]
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}})
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    ring = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation.RING
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=ring)
    local = tf.fill([values], float(rank))

    @tf.function  # type: ignore[untyped-decorator] # TensorFlow has no types that mypy follows
    def average() -> tf.Tensor:
        def reduce() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.identity(local))

        return strategy.run(reduce)

    return lambda: float(average()[-1])


ENGINES = {"mpi4py": prepare_mpi, "tf.distribute": prepare_strategy}

if __name__ == "__main__":
    main()
