"""Trainings to the target, from the fixtures to the result: MLPerf's score, and the trained model as a frozen graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import RunError
from resnet_fixtures.gated_score import judge_time_to_target, refuse_unknown_target
from resnet_fixtures.mlperf.time_to_train import Score, score_runs, time_run
from resnet_fixtures.report.result_file import write_result
from resnet_fixtures.scoring import Scoring
from resnet_fixtures.suite import RESULT, SUITE, Suite
from resnet_fixtures.timed_training import name_data, training_facts
from resnet_fixtures.training_orders import convergence_order, make_layout, target
from resnet_fixtures.training_runs import FinishedTraining, run_training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from resnet_fixtures.precision import Precision

SCORED_BATCH = 100  # as the accuracy tests'
FROZEN_TOLERANCE = 0.01  # of top-1: rounding may move an image or two of the digits' 360


@dataclass(frozen=True)
class Convergence:
    """What the runs of one precision came to; `target` is the top-1 that each had to reach.

    `frozen_top1` is the last run's best model as inference scores it, with --eval.
    """

    runs: tuple[FinishedTraining, ...]
    target: float
    score: Score
    frozen_top1: float | None

    @property
    def has_reached(self) -> bool:
        """Tell whether every run reached the target."""
        return all(run.record.ended and run.record.ended.reached for run in self.runs)

    @property
    def is_frozen_alike(self) -> bool:
        """Tell whether the frozen graph scores what its training measured, if it was scored."""
        best = max((one.top1 for one in self.runs[-1].record.evaluations), default=0.0)
        return self.frozen_top1 is None or abs(self.frozen_top1 - best) <= FROZEN_TOLERANCE

    @property
    def sentence(self) -> str:
        """Say the target and the curves of the runs."""
        curves = "; ".join(run.record.describe_curve() for run in self.runs)
        frozen = "" if self.frozen_top1 is None else f" The frozen graph scores {self.frozen_top1:.4f}."
        return f"Top-1 {self.target} was {'' if self.has_reached else 'not '}reached: {curves}.{frozen}"


@dataclass(frozen=True)
class ConvergenceTraining:
    """Trains until the target, or to the last epoch, as often as --mlperf-runs says, and leaves log and result."""

    request: pytest.FixtureRequest
    precision: Precision
    digits: Callable[[], Path]

    def __call__(self) -> Convergence:
        """Train; a run that misses the target is in the result."""
        refuse_unknown_target(self.request)
        runs = tuple(self._train(number) for number in range(self._suite.options.training.mlperf_runs))
        score = score_runs([time_run(run.record.log) for run in runs])
        frozen_top1 = self._score(runs[-1]) if self._suite.options.training.evaluate else None
        convergence = Convergence(runs, target(self._suite), score, frozen_top1)
        self._record(convergence)
        return convergence

    @property
    def _suite(self) -> Suite:
        return self.request.config.stash[SUITE]

    def _train(self, number: int) -> FinishedTraining:
        layout = make_layout(self._suite.options.training)
        location = self._suite.options.data_location or self.digits()
        order = convergence_order(self._suite, self.precision, layout, location, number)
        if self._suite.options.training.evaluate and order.checkpoint is None:
            order = replace(order, checkpoint=self.request.getfixturevalue("tmp_path") / f"run{number + 1}")
        title = f"{self.precision} training" + (f", run {number + 1}" if number else "")
        return run_training(self.request, order, layout, title)

    def _score(self, training: FinishedTraining) -> float:
        """Score the frozen graph of what was trained as the accuracy tests score theirs, and return its top-1."""
        from resnet_fixtures.data.imagenet import LabelledImages, find_split
        from resnet_fixtures.data.preprocess import Preprocessing
        from resnet_fixtures.graph.frozen import load_frozen_graph
        from resnet_fixtures.inference.session import InferenceSession

        assert training.order.data_location is not None, "a training to a target has data"
        graph = load_frozen_graph(freeze_training(training), self.precision)
        images = LabelledImages(
            find_split(training.order.data_location),
            Preprocessing.for_image_size(graph.image_size),
            graph.classes,
            self._suite.plan.data_intra,
        )
        with InferenceSession(graph, self._suite.plan) as session:
            score = Scoring(self.request, SCORED_BATCH, is_of_training=True)
            return score(session, images, name_data(training.order)).predictions.top1

    def _record(self, convergence: Convergence) -> None:
        last = convergence.runs[-1]
        if not last.record.evaluations:
            raise RunError(
                "The training went on from a checkpoint beyond its last epoch and evaluated nothing: "
                "pass a larger --train-epochs, or another --checkpoint."
            )
        evaluation = last.record.evaluations[-1]
        seconds = [run.record.ended.seconds for run in convergence.runs if run.record.ended]
        fields = {
            **training_facts(self._suite, last, make_layout(self._suite.options.training)),
            "mode": "convergence",
            "target": convergence.target,
            "epochs_between_evals": last.order.epochs_between_evals,
            "reached": convergence.has_reached,
            "top1": evaluation.top1,
            "correct1": evaluation.correct1,
            "correct5": evaluation.correct5,
            "images": evaluation.images,
            "epochs": evaluation.epoch,
            "curves": [[one.top1 for one in run.record.evaluations] for run in convergence.runs],
            "seconds": seconds,
            "time_to_train_s": convergence.score.seconds,
            "time_to_train_reason": convergence.score.reason,
            "frozen_top1": convergence.frozen_top1,
        }
        if convergence.has_reached:
            judge_time_to_target(self.request, seconds, fields)
        write_result(last.log_path, fields)
        self.request.node.stash[RESULT] = fields
        for name in ("reached", "target", "epochs", "time_to_train_s"):
            self.request.node.user_properties.append((name, fields[name]))


def freeze_training(training: FinishedTraining) -> Path:
    """Write the graph of what was trained, in its precision, beside the log, and return its path."""
    from resnet_fixtures.graph.freeze import freeze_checkpoint
    from resnet_fixtures.training.checkpoint import read_checkpoint

    assert training.order.checkpoint is not None, "who wants a graph keeps a checkpoint"
    path = training.log_path.with_suffix(".pb")
    graph_def = freeze_checkpoint(read_checkpoint(training.order.checkpoint))
    write_atomically(path, graph_def.SerializeToString(deterministic=True))
    return path
