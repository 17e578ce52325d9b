"""Trainings that are told instead of run: what the ranks would send, made up from the order."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from resnet_fixtures.data.location import find_split
from resnet_fixtures.inference.child import child_command
from resnet_fixtures.mlperf.training_log import TrainingLog
from resnet_fixtures.training.data_digests import DataDigests
from resnet_fixtures.training.events import Begun, Ended, Evaluated, Logged, Step
from resnet_fixtures.training.kernels import PASSES, TrainingKernels
from resnet_fixtures.training.launch import make_launch
from resnet_fixtures.training.mpirun import Mpirun
from resnet_fixtures.training.ranks import run_ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pytest

    from resnet_fixtures.training.events import Event
    from resnet_fixtures.training.launch import Launch
    from resnet_fixtures.training.order import Order

VALIDATION_IMAGES = 1000
START_S = 1.7e9
# A test that fails before it times anything; pytest.ini leaves the warning out too, the inner runs' -W error does not.
UNTIMED = ("-W", "ignore:Benchmark fixture was not used at all")
MPIRUN = Mpirun("/opt/openmpi/bin/mpirun", 5)


@dataclass
class Told:
    """The orders and commands that were given."""

    orders: list[Order] = field(default_factory=list)
    launches: list[Launch] = field(default_factory=list)


def tell_trainings(monkeypatch: pytest.MonkeyPatch, story: Callable[[Order], Iterable[Event]]) -> Told:
    """Let the story of its order take a training's place, and believe in its kernels."""
    told = Told()

    @contextmanager
    def run(launch: Launch, order: Order, environ: object) -> Iterator[Iterator[Event]]:
        told.orders.append(order)
        told.launches.append(launch)
        yield iter(story(order))

    def believe(precision: Any, plan: object, isa: Any, environ: object) -> TrainingKernels:
        from resnet_fixtures.inference.onednn_verbose import Kernel

        source = {"fp32": "f32", "bf16": "bf16"}[str(precision)]
        return TrainingKernels(precision, isa, ((Kernel("convolution", "jit:avx512_core", source), PASSES),))

    monkeypatch.setattr("resnet_fixtures.training_runs.run_ranks", run)
    monkeypatch.setattr("resnet_fixtures.timed_training.executed_kernels", believe)
    return told


def train_really(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker's own process take the story's place, started by the Python of `sys.executable`."""
    worker = child_command("resnet_fixtures.training.worker")
    monkeypatch.setattr("resnet_fixtures.training_runs.run_ranks", run_ranks)
    monkeypatch.setattr("resnet_fixtures.training_runs.make_launch", partial(make_launch, worker=worker))


def pretend_mpirun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find an mpirun and mpi4py, whether they are there or not."""
    monkeypatch.setattr("resnet_fixtures.training_runs.find_mpirun", lambda environ: MPIRUN)
    for module in ("markers", "training_preflight"):
        monkeypatch.setattr(f"resnet_fixtures.{module}.find_spec", lambda name: object())


def step_s(number: int) -> float:
    """Return the seconds of a told step, no two alike."""
    return 0.5 + number / 64


def tell_digests(order: Order) -> dict[str, str]:
    """Tell what the ranks find where the order's data are."""
    location = order.data_location
    if location is None:
        return {}
    validation = find_split(location) if order.is_scored else None
    return DataDigests.of(find_split(location, "train"), validation).as_fields()


def tell_trial(
    order: Order, *, begin: int = 0, done: int | None = None, loss: Callable[[int], float] = lambda n: 7 - n / 16
) -> Iterator[Event]:
    """Tell steps of which a quarter is input and an eighth communication."""
    steps = order.train_steps or 0
    end = done or steps
    yield Begun(begin, steps, 8, 9, tell_digests(order))
    for number in range(begin + 1, end + 1):
        seconds = step_s(number)
        yield Step(number, loss(number), 0.1, seconds, seconds / 4, seconds / 8)
    yield Ended(end, 100.0, reached=False)


def tell_convergence(
    order: Order, top1s: Sequence[float], *, pace_s: float = 1.0, images: tuple[int, int] = (1437, VALIDATION_IMAGES)
) -> Iterator[Event]:
    """Tell a run with these evaluations, one every `epochs_between_evals`; each entry of its log comes `pace_s` later.

    The run ends at the first evaluation that reaches the threshold.
    """
    ticks = iter(range(1_000_000))
    log = TrainingLog(order, clock=lambda: START_S + next(ticks) * pace_s)
    log.initialise()
    log.start_run()
    log.describe(*images)
    events: list[Event] = [Begun(0, len(top1s), 1, 9, tell_digests(order))]
    reached, epoch = False, 0
    for top1 in top1s:
        epoch = len(events) * order.epochs_between_evals
        for one in range(epoch - order.epochs_between_evals + 1, epoch + 1):
            log.epoch_started(one)
            log.epoch_ended(one)
        log.evaluation_started(epoch)
        log.evaluation_ended(epoch, top1)
        right = round(top1 * VALIDATION_IMAGES)
        events.append(Evaluated(epoch, epoch, right, min(VALIDATION_IMAGES, right + 50), VALIDATION_IMAGES, 0.5))
        reached = order.stop_threshold is not None and top1 >= order.stop_threshold
        if reached:
            break
    log.end(is_success=reached)
    yield from events
    yield from (Logged(entry) for entry in log.entries)
    yield Ended(epoch, 60.0 * pace_s, reached)
