"""The one training loop: what every rank runs, from the order to the last evaluation."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.data.imagenet import find_split
from resnet_fixtures.errors import RunError
from resnet_fixtures.training.data_digests import DataDigests
from resnet_fixtures.training.diary import Diary
from resnet_fixtures.training.evaluation import evaluate
from resnet_fixtures.training.events import Begun, Step
from resnet_fixtures.training.input import TrainingInput
from resnet_fixtures.training.step import TrainingStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import tensorflow as tf

    from resnet_fixtures.training.communicator import Communicator
    from resnet_fixtures.training.events import Event
    from resnet_fixtures.training.order import Order


def train(order: Order, communicator: Communicator, tell: Callable[[Event], None]) -> None:
    """Carry out the order on this rank; rank 0 decides, writes and tells, the others follow.

    Wrong data or a checkpoint of another recipe are InputErrors, a loss that is not finite is a RunError.
    """
    if communicator.rank:
        order, tell = replace(order, checkpoint=None, tensorboard=None), lambda event: None
    Loop(order, communicator, tell).run()


class Loop:
    """A rank's input, model and validation split."""

    def __init__(self, order: Order, communicator: Communicator, tell: Callable[[Event], None]) -> None:
        location = order.data_location
        split = find_split(location, "train") if location else None
        self._order = order
        self._communicator = communicator
        self._validation = find_split(location) if location and order.is_scored else None
        self._input = TrainingInput(order.recipe, split, communicator.rank, order.data_threads)
        self._steps_per_epoch = order.recipe.steps_per_epoch(self._input.images)
        self._last_step = order.train_steps or order.train_epochs * self._steps_per_epoch
        self._step = TrainingStep(order.recipe, self._steps_per_epoch)
        self._data = DataDigests.of(split, self._validation)
        self._diary = Diary(order, self._data, tell)

    def run(self) -> None:
        """Train until the steps, the time, the epochs or the threshold end it."""
        with self._diary as diary:
            self._resume()
            diary.begin(self._begun(), self._input.images, self._validation.images if self._validation else 0)
            self._finish_epoch()
            while not self._is_over():
                epoch = self._step.step // self._steps_per_epoch + 1
                self._train_to_epoch_end(epoch)
                if self._is_evaluation_due(epoch):
                    self._evaluate(epoch)
            diary.end(self._step)

    def _begun(self) -> Begun:
        parameters, digests = self._step.parameters, self._data.as_fields()
        return Begun(self._step.step, self._last_step, self._steps_per_epoch, parameters, digests)

    def _resume(self) -> None:
        """Let every rank begin where rank 0's checkpoint ended, or from the weights that all ranks drew alike."""
        checkpoint = self._diary.resume()
        if checkpoint:  # rank 0, which refuses tensors of another model before the others wait for them
            self._step.load(checkpoint.tensors, checkpoint.step)
        step = self._communicator.total([checkpoint.step if checkpoint else 0])[0]
        if step:
            self._step.load(self._communicator.share(self._step.tensors()), step)

    def _finish_epoch(self) -> None:
        """Do what is left of an epoch whose last step has a checkpoint: a run may end before it scores the model."""
        epoch, later_steps = divmod(self._step.step, self._steps_per_epoch)
        if epoch == 0 or later_steps:
            return
        self._diary.epoch_ends(epoch)
        if self._communicator.decide(self._is_evaluation_due(epoch) and not self._diary.is_evaluated(self._step)):
            self._evaluate(epoch)

    def _train_to_epoch_end(self, epoch: int) -> None:
        """Run what is left of an epoch, counted from 1, or of the steps or the time."""
        self._diary.epoch_begins(epoch)
        done = self._step.step - (epoch - 1) * self._steps_per_epoch
        for input_s, (images, labels) in timed(self._input.batches(epoch, done)):
            self._diary.stepped(self._run_step(images, labels, input_s), self._step)
            if self._is_over():
                break
        if self._step.step == epoch * self._steps_per_epoch:
            self._diary.epoch_ends(epoch)

    def _evaluate(self, epoch: int) -> None:
        assert self._validation is not None
        self._diary.evaluation_begins(epoch)
        evaluated = evaluate(self._step, self._validation, self._order, self._communicator, epoch)
        self._diary.evaluated(evaluated, self._step)

    def _run_step(self, images: tf.Tensor, labels: tf.Tensor, input_s: float) -> Step:
        rate, communication_s = self._step.learning_rate, 0.0
        start_s = time.perf_counter()
        if self._communicator.size == 1:
            loss = self._step.run(images, labels)
        else:
            loss, gradients = self._step.gradients(images, labels)
            ready_s = time.perf_counter()
            mean = self._communicator.mean(gradients)
            loss = float(self._communicator.mean(np.array([loss], dtype=np.float32))[0])
            communication_s = time.perf_counter() - ready_s
            self._step.apply(mean)
        seconds = input_s + time.perf_counter() - start_s
        if not math.isfinite(loss):
            raise RunError(f"The loss is {loss} in step {self._step.step}: pass a smaller --base-learning-rate.")
        return Step(self._step.step, loss, rate, seconds, input_s, communication_s)

    def _is_evaluation_due(self, epoch: int) -> bool:
        is_last = self._step.step == self._last_step
        is_whole = self._step.step == epoch * self._steps_per_epoch
        return self._validation is not None and is_whole and (is_last or epoch % self._order.epochs_between_evals == 0)

    def _is_over(self) -> bool:
        """Tell whether steps, time or threshold end the run; rank 0 decides what ranks could see differently."""
        if self._step.step >= self._last_step:
            return True
        limit_s = self._order.max_time_s
        is_late = limit_s is not None and self._step.step >= self._order.min_steps and self._diary.seconds >= limit_s
        return self._communicator.decide(is_late or self._diary.has_reached)


def timed(
    batches: Iterator[tuple[tf.Tensor, tf.Tensor]],
) -> Iterator[tuple[float, tuple[tf.Tensor, tf.Tensor]]]:
    """Give each batch with the seconds that it was waited for."""
    while True:
        start_s = time.perf_counter()
        try:
            batch = next(batches)
        except StopIteration:
            return
        yield time.perf_counter() - start_s, batch
