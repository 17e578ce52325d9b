"""What is written down while a model trains: checkpoints, MLPerf's log, TensorBoard, and the events that are told."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet_fixtures.mlperf.training_log import TrainingLog
from resnet_fixtures.training.board import Board
from resnet_fixtures.training.checkpoint import Checkpoint, CheckpointFolder
from resnet_fixtures.training.events import Begun, Ended, Evaluated, Logged, Saved

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from resnet_fixtures.training.data_digests import DataDigests
    from resnet_fixtures.training.events import Event, Step
    from resnet_fixtures.training.order import Order
    from resnet_fixtures.training.step import TrainingStep

SECONDS_BETWEEN_CHECKPOINTS = 600.0  # as tf.estimator's; every evaluation has one too


class Diary:
    """Rank 0's memory; another rank's writes and tells nothing.

    `data` is what the run sees. Use it as a context manager: it holds the checkpoint folder's lock.
    """

    def __init__(self, order: Order, data: DataDigests, tell: Callable[[Event], None]) -> None:
        self._order = order
        self._data = data
        self._tell = tell
        self._log = TrainingLog(order, lambda entry: tell(Logged(entry)))
        self._evaluations: tuple[Evaluated, ...] = ()
        self._earlier_s = 0.0
        self._start_s = self._saved_s = time.perf_counter()
        self._stack = ExitStack()
        self._folder: CheckpointFolder | None = None
        self._board: Board | None = None

    def __enter__(self) -> Diary:
        self._log.initialise()
        if self._order.checkpoint:
            self._folder = self._stack.enter_context(CheckpointFolder(self._order.checkpoint))
        if self._order.tensorboard:
            self._board = self._stack.enter_context(Board(self._order.tensorboard))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def seconds(self) -> float:
        """Count the seconds of training, those of the runs that this one resumes included."""
        return self._earlier_s + time.perf_counter() - self._start_s

    @property
    def has_reached(self) -> bool:
        """Tell whether an evaluation met the threshold."""
        threshold = self._order.stop_threshold
        return threshold is not None and any(one.top1 >= threshold for one in self._evaluations)

    def is_evaluated(self, model: TrainingStep) -> bool:
        """Tell whether the model was scored as it is now."""
        return bool(self._evaluations) and self._evaluations[-1].step == model.step

    def resume(self) -> Checkpoint | None:
        """Return the folder's newest checkpoint, after taking over what it remembers; None where there is none."""
        checkpoint = self._folder.load(self._order.recipe, self._data) if self._folder else None
        if checkpoint:
            self._log.restore(checkpoint.log, checkpoint.step)
            self._data = replace(self._data, validation=self._data.validation or checkpoint.data.validation)
            self._evaluations = checkpoint.evaluations
            self._earlier_s = checkpoint.seconds
        return checkpoint

    def begin(self, begun: Begun, train_images: int, validation_images: int) -> None:
        """Start the clock: from here on the data are touched. Earlier evaluations are told again."""
        self._start_s = self._saved_s = time.perf_counter()
        self._log.start_run()
        self._log.describe(train_images, validation_images)
        self._tell(begun)
        for evaluated in self._evaluations:
            self._tell(evaluated)

    def epoch_begins(self, epoch: int) -> None:
        """Note an epoch, counted from 1."""
        self._log.epoch_started(epoch)

    def stepped(self, step: Step, model: TrainingStep) -> None:
        """Note a step, and save the model where the last checkpoint is old."""
        self._tell(step)
        if self._board:
            self._board.write(step.number, loss=step.loss, learning_rate=step.learning_rate)
        if time.perf_counter() - self._saved_s > SECONDS_BETWEEN_CHECKPOINTS:
            self._save(model, is_best=False)

    def epoch_ends(self, epoch: int) -> None:
        """Note that an epoch's last step is over."""
        self._log.epoch_ended(epoch)

    def evaluation_begins(self, epoch: int) -> None:
        """Note that the validation images are being scored."""
        self._log.evaluation_started(epoch)

    def evaluated(self, evaluated: Evaluated, model: TrainingStep) -> None:
        """Note an evaluation, and save the model that was evaluated."""
        is_best = all(evaluated.correct1 > one.correct1 for one in self._evaluations)
        self._evaluations += (evaluated,)
        self._log.evaluation_ended(evaluated.epoch, evaluated.top1)
        self._tell(evaluated)
        if self._board:
            self._board.write(evaluated.step, top1=evaluated.top1)
        if self.has_reached:  # before the checkpoint, so that a run which is started again keeps its time
            self._log.end(is_success=True)
        self._save(model, is_best=is_best)

    def end(self, model: TrainingStep) -> None:
        """Note the end; a run without evaluations is saved here."""
        seconds = self.seconds
        self._log.end(is_success=self.has_reached)
        if not self.is_evaluated(model):
            self._save(model, is_best=False)
        self._tell(Ended(model.step, seconds, self.has_reached))

    def _save(self, model: TrainingStep, *, is_best: bool) -> None:
        self._saved_s = time.perf_counter()
        if self._folder:
            checkpoint = Checkpoint(
                model.tensors(), model.step, self._order.recipe, self._data, self._evaluations, self.seconds,
                self._log.entries,
            )  # fmt: skip
            path = self._folder.save(checkpoint, is_best=is_best)
            self._tell(Saved(str(path), model.step))
