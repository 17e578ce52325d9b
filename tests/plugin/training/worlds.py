"""Small trainings: their data, ranks that are threads of this process, and real workers that may be told to die."""

from __future__ import annotations

import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pytest

from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.training.launch import make_launch
from resnet_fixtures.training.layout import Layout
from resnet_fixtures.training.mpirun import find_mpirun
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.ranks import run_ranks
from resnet_fixtures.training.recipe import Recipe
from tests.plugin.training.train_split import HEIGHT, WIDTH, draw_jpegs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resnet_fixtures.training.communicator import Communicator
    from resnet_fixtures.training.events import Event

    T = TypeVar("T")

ARCHITECTURE = Architecture(width=4, classes=11, image_size=32)
TRAIN, VALIDATION = (7, 6), (5, 4)  # images of each file: 3 steps of 4 an epoch, and one image is left over
STEPS_PER_EPOCH = 3
PATIENCE_S = 120.0  # of a thread with its neighbours: each traces its own graphs
MORTAL_WORKER = Path(__file__).with_name("mortal_worker.py")

several = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2 or find_spec("mpi4py") is None,
    reason="two ranks need two cores and pip install 'resnet-fixtures[mpi]'",
)


def make_recipe(**changes: Any) -> Recipe:
    """Four images a rank and step, one epoch of warm-up, a drop after the second epoch."""
    return replace(Recipe(ARCHITECTURE, batch_size=4, warmup_epochs=1.0, drop_epochs=(2.0,)), **changes)


def make_order(location: Path | None = None, recipe: Recipe | None = None, **fields: Any) -> Order:
    return Order(recipe or make_recipe(), threads=1, data_threads=1, data_location=location, **fields)


def write_set(folder: Path, train: Sequence[int] = TRAIN, validation: Sequence[int] = VALIDATION) -> Path:
    """Write both splits as files of so many images; the labels go round from 1 to 10."""
    for split, counts in (("train", train), ("validation", validation)):
        jpegs = draw_jpegs(sum(counts))
        for number, count in enumerate(counts):
            examples = [
                make_example(next(jpegs), (sum(counts[:number]) + image) % 10 + 1, "", (HEIGHT, WIDTH, 3))
                for image in range(count)
            ]
            write_records(folder / f"{split}-{number:05}-of-{len(counts):05}", examples)
    return folder


@dataclass(frozen=True)
class Neighbour:
    """A rank that is a thread: everything is put on a table that all ranks see."""

    rank: int
    size: int
    barrier: Barrier
    table: list[Any]
    name: str = "here"

    def mean(self, flat: np.ndarray) -> np.ndarray:
        return np.asarray(np.mean(self._gather(flat), axis=0, dtype=np.float32))

    def total(self, numbers: Sequence[int]) -> list[int]:
        return [sum(column) for column in zip(*self._gather(numbers), strict=True)]

    def broadcast(self, text: str | None) -> str:
        return str(self._gather(text)[0])

    def decide(self, flag: bool) -> bool:
        return bool(self._gather(flag)[0])

    def share(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        everybodys = self._gather(arrays)
        if len({tuple(sorted(one)) for one in everybodys}) > 1:
            raise AssertionError("with real MPI ranks that share different arrays wait for ever")
        return dict(everybodys[0])

    def _gather(self, thing: Any) -> list[Any]:
        self.table[self.rank] = thing
        self.barrier.wait()
        things = list(self.table)
        self.barrier.wait()
        return things


def run_together(ranks: int, work: Callable[[Communicator], T]) -> list[T]:
    """Let each of the ranks do the work; the first error of one ends the others and is raised."""
    barrier, table = Barrier(ranks, timeout=PATIENCE_S), [None] * ranks

    def run(rank: int) -> T:
        try:
            return work(Neighbour(rank, ranks, barrier, table))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(ranks) as threads:
        ends = [threads.submit(run, rank) for rank in range(ranks)]
    errors = [error for end in ends if (error := end.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error
    return [end.result() for end in ends]


def run_workers(order: Order, ranks: int, heard: list[Event], *fate: object) -> list[Event]:
    """Train a shallow network in real processes, and add each event to `heard`; for `fate` see mortal_worker.py."""
    topology = read_topology()
    mpirun = find_mpirun() if ranks > 1 else None
    worker = [sys.executable, str(MORTAL_WORKER), *map(str, fate)]
    launch = make_launch(Layout(ranks), topology, make_thread_plan(topology), mpirun, os.environ, worker)
    with run_ranks(launch, order) as events:
        heard.extend(events)
    return heard


def host() -> str:
    return socket.gethostname()
