from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from resnet_fixtures.mlperf.training_log import TrainingLog
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.recipe import FINE_TUNE_LEARNING_RATE, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet_fixtures.mlperf.entry import Entry

IMAGENET = (1281167, 50000)
START_S = 1.7e9


class Play(Protocol):
    """Play a run; `top1` are the accuracies that its evaluations find."""

    def __call__(self, log: TrainingLog, top1: tuple[float, ...], *, is_success: bool = True) -> tuple[Entry, ...]: ...


@pytest.fixture
def order() -> Order:
    """Give the launcher's command with a batch at which the schedule ends at the rules' rate: 0.1 * 2560 / 256 = 1."""
    recipe = Recipe(batch_size=80, ranks=32, base_learning_rate=FINE_TUNE_LEARNING_RATE)
    return Order(recipe, 7, 7, train_epochs=100, epochs_between_evals=4, stop_threshold=0.759)


@pytest.fixture
def clock() -> Callable[[], float]:
    """Give a clock that is a second later each time."""
    seconds = iter(range(1000000))
    return lambda: START_S + next(seconds)


@pytest.fixture
def log(order: Order, clock: Callable[[], float]) -> TrainingLog:
    return TrainingLog(order, clock=clock)


@pytest.fixture
def play(order: Order) -> Play:
    def play(log: TrainingLog, top1: tuple[float, ...], *, is_success: bool = True) -> tuple[Entry, ...]:
        log.initialise()
        log.start_run()
        log.describe(*IMAGENET)
        for number, accuracy in enumerate(top1):
            first = number * order.epochs_between_evals + 1
            for epoch in range(first, first + order.epochs_between_evals):
                log.epoch_started(epoch)
                log.epoch_ended(epoch)
            log.evaluation_started(epoch)
            log.evaluation_ended(epoch, accuracy)
        log.end(is_success=is_success)
        return log.entries

    return play
