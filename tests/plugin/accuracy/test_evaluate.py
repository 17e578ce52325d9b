from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.accuracy.evaluate import EvaluationProgress, evaluate
from resnet_fixtures.accuracy.journal import identify_run, open_journal
from resnet_fixtures.accuracy.predictions import format_results, write_results_file
from resnet_fixtures.errors import DataError, InputError
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from resnet_fixtures.accuracy.evaluate import Evaluation
    from resnet_fixtures.accuracy.journal import Journal
    from resnet_fixtures.data.preprocess import Preprocessing
    from resnet_fixtures.data.split import Split
    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from tests.plugin.accuracy.conftest import Floats, GraphMaker, Preparer, SplitWriter

IMAGES = 23
BATCH = 4
BATCHES = 6
NOW = datetime(2026, 11, 23, 15, 4, 5)


@dataclass(frozen=True)
class Linear:
    """A linear classifier and what numpy says that it answers: `order` has each image's classes, likeliest first."""

    weights: Floats
    bias: Floats
    order: npt.NDArray[np.int64]

    def choose_labels(self, classes: int) -> tuple[list[int], list[int]]:
        """Give each image a label, 1 and up, whose place in its order is one of four, and those places."""
        places = [(0, 4, 5, 9)[number % 4] for number in range(IMAGES)]
        indices = [int(row[place]) for row, place in zip(self.order, places, strict=True)]
        return [index + (classes == 1000) for index in indices], places


@pytest.fixture(scope="module")
def linear(prepare: Preparer, preprocessing: Preprocessing) -> Linear:
    return make_linear(prepare(preprocessing), 11)


def make_linear(images: Floats, classes: int) -> Linear:
    rng = np.random.default_rng(classes)
    weights = rng.normal(0, 0.002, (images.shape[1], classes)).astype(np.float32)
    bias = np.zeros(classes, np.float32)
    bias[0] = 0 if classes == 1000 else -1000  # the background class comes last
    order = np.argsort(-(images.astype(np.float64) @ weights + bias), axis=1)
    return Linear(weights, bias, order)


@pytest.fixture(scope="module")
def session(linear: Linear, make_graph: GraphMaker, plan: ThreadPlan) -> Iterator[InferenceSession]:
    with InferenceSession(make_graph(linear.weights, linear.bias), plan) as session:
        yield session


@pytest.fixture
def split(linear: Linear, write_split: SplitWriter) -> Split:
    labels, _ = linear.choose_labels(11)
    return write_split(labels)


class Run:
    """Evaluates the split with a journal, for as many batches as it is told."""

    def __init__(
        self, session: InferenceSession, split: Split, preprocessing: Preprocessing, plan: ThreadPlan, folder: Path
    ) -> None:
        self.session, self.split, self.preprocessing, self.plan = session, split, preprocessing, plan
        self.path = folder / "fp32.journal"
        self.identity = identify_run(session.graph, split, preprocessing, {"cpu": ["EPYC"]})

    def __call__(
        self, on_batch: Callable[[EvaluationProgress], object] | None = None, *, resume: bool = True, batch: int = BATCH
    ) -> Evaluation:
        with open_journal(self.path, self.identity, resume=resume) as journal:
            return self.evaluate(journal, on_batch, batch)

    def evaluate(
        self,
        journal: Journal | None = None,
        on_batch: Callable[[EvaluationProgress], object] | None = None,
        batch: int = BATCH,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> Evaluation:
        return evaluate(self.session, self.split, self.preprocessing, batch, self.plan, journal, on_batch, clock)

    def interrupt_after(self, batches: int) -> None:
        def press_ctrl_c(progress: EvaluationProgress) -> None:
            if progress.images >= min(batches * BATCH, IMAGES):
                raise KeyboardInterrupt("ctrl-c")

        with pytest.raises(KeyboardInterrupt, match="ctrl-c"):
            self(press_ctrl_c)


@pytest.fixture
def run(session: InferenceSession, split: Split, preprocessing: Preprocessing, plan: ThreadPlan, tmp_path: Path) -> Run:
    return Run(session, split, preprocessing, plan, tmp_path)


def test_every_image_is_scored_as_numpy_scores_it(run: Run, linear: Linear) -> None:
    labels, places = linear.choose_labels(11)
    predictions = run.evaluate().predictions
    assert predictions.filenames == tuple(f"image, {number}.JPEG" for number in range(1, IMAGES + 1))
    assert predictions.actual.tolist() == labels
    assert predictions.prediction.tolist() == linear.order[:, 0].tolist()
    assert predictions.ranks.tolist() == places
    assert (predictions.images, predictions.correct1, predictions.correct5) == (23, 6, 12)


@pytest.mark.parametrize("batch", [1, 5, 23, 100])
def test_batch_size_changes_no_answer(batch: int, run: Run) -> None:
    assert format_results(run.evaluate(batch=batch).predictions) == format_results(run.evaluate().predictions)


def test_thousand_classes_are_counted_from_one(
    prepare: Preparer,
    preprocessing: Preprocessing,
    make_graph: GraphMaker,
    write_split: SplitWriter,
    plan: ThreadPlan,
) -> None:
    linear = make_linear(prepare(preprocessing), 1000)
    labels, places = linear.choose_labels(1000)
    with InferenceSession(make_graph(linear.weights, linear.bias), plan) as session:
        predictions = evaluate(session, write_split(labels), preprocessing, BATCH, plan).predictions
    assert predictions.actual.tolist() == labels
    assert predictions.prediction.tolist() == (linear.order[:, 0] + 1).tolist()
    assert predictions.ranks.tolist() == places


def test_resnet_is_scored_like_its_single_images(
    tmp_path: Path, prepare: Preparer, preprocessing: Preprocessing, write_split: SplitWriter, plan: ThreadPlan
) -> None:
    file = tmp_path / "small.pb"
    small = Architecture(width=4, classes=11, image_size=preprocessing.image_size)
    file.write_bytes(freeze(small, random_weights(3)).SerializeToString())
    images = prepare(preprocessing).reshape(IMAGES, 1, small.image_size, small.image_size, 3)
    with InferenceSession(load_frozen_graph(file, Precision.FP32), plan) as session:
        order = np.argsort([-session.predict(image)[0] for image in images], axis=1, kind="stable").tolist()
        labels = [row[number % 11] or row[-1] for number, row in enumerate(order)]
        predictions = evaluate(session, write_split(labels), preprocessing, 9, plan).predictions
    assert predictions.prediction.tolist() == [row[0] for row in order]
    assert predictions.ranks.tolist() == [row.index(label) for label, row in zip(labels, order, strict=True)]
    assert 0 < predictions.correct1 < predictions.correct5 < IMAGES


@pytest.mark.parametrize("batches", range(1, BATCHES + 1))
def test_resumed_run_gives_the_counts_and_the_file_of_an_unbroken_one(batches: int, run: Run, tmp_path: Path) -> None:
    run.interrupt_after(batches)
    resumed, unbroken = run(), run.evaluate()
    assert resumed.resumed_images == min(batches * BATCH, IMAGES)
    assert resumed.predictions.ranks.tolist() == unbroken.predictions.ranks.tolist()
    assert (resumed.predictions.correct1, resumed.predictions.correct5) == (6, 12)
    files = [
        write_results_file(tmp_path / "out", Precision.FP32, NOW, evaluation.predictions)
        for evaluation in (resumed, unbroken)
    ]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not run.path.exists()


@pytest.mark.parametrize("batches", range(1, BATCHES + 1))
def test_torn_last_line_costs_its_batch_alone(batches: int, run: Run) -> None:
    run.interrupt_after(batches)
    run.path.write_bytes(run.path.read_bytes()[:-9])
    resumed = run()
    assert resumed.resumed_images == (batches - 1) * BATCH
    assert format_results(resumed.predictions) == format_results(run.evaluate().predictions)


def test_run_may_be_interrupted_again_and_again_and_change_its_batches(run: Run) -> None:
    for batches in (1, 2, 4):
        run.interrupt_after(batches)
    resumed = run(batch=3)
    assert resumed.resumed_images == 16
    assert format_results(resumed.predictions) == format_results(run.evaluate().predictions)


def test_run_that_does_not_resume_scores_everything(run: Run) -> None:
    run.interrupt_after(3)
    assert run(resume=False).resumed_images == 0


def test_journal_of_another_graph_is_refused(
    run: Run, make_graph: GraphMaker, linear: Linear, plan: ThreadPlan
) -> None:
    run.interrupt_after(1)
    with InferenceSession(make_graph(-linear.weights, linear.bias), plan) as other:
        another = Run(other, run.split, run.preprocessing, plan, run.path.parent)
        with pytest.raises(InputError, match=r"from another run \(it differs in graph\)"):
            another()
    assert run().resumed_images == BATCH


def test_second_run_at_once_is_refused(run: Run) -> None:
    def start_another(progress: EvaluationProgress) -> None:
        with pytest.raises(InputError, match="in use by another run"):
            run()

    assert run(start_another).predictions.correct1 == 6


def test_progress_counts_up_to_every_image(run: Run) -> None:
    heard = list[EvaluationProgress]()
    run.evaluate(on_batch=heard.append)
    assert [progress.images for progress in heard] == [4, 8, 12, 16, 20, 23]
    assert [progress.correct1 for progress in heard] == [1, 2, 3, 4, 5, 6]
    assert [progress.correct5 for progress in heard] == [2, 4, 6, 8, 10, 12]
    assert {progress.total for progress in heard} == {IMAGES}
    assert (heard[0].top1, heard[0].top5) == (0.25, 0.5)


def test_progress_of_a_resumed_run_goes_on(run: Run) -> None:
    run.interrupt_after(4)
    heard = list[EvaluationProgress]()
    run(heard.append)
    assert [(progress.images, progress.correct1, progress.correct5) for progress in heard] == [(20, 5, 10), (23, 6, 12)]


def test_times_are_those_of_the_clock(run: Run) -> None:
    """The clock is asked once at the start, twice for each batch and once at the end; here it counts half seconds."""
    heard = list[EvaluationProgress]()
    evaluation = run.evaluate(on_batch=heard.append, clock=count(step=500_000_000).__next__)
    assert (evaluation.seconds, evaluation.first_batch_s) == (6.5, 1.0)
    assert evaluation.images_per_s == pytest.approx(IMAGES / 6.5)
    assert {progress.inference_s for progress in heard} == {0.5}


def test_nothing_left_to_score_has_no_throughput(run: Run) -> None:
    run.interrupt_after(BATCHES)
    evaluation = run()
    assert (evaluation.images_per_s, evaluation.first_batch_s) == (None, None)


def test_throughput_leaves_the_resumed_images_out(run: Run) -> None:
    run.interrupt_after(5)
    evaluation = run()
    assert evaluation.images_per_s == pytest.approx(3 / evaluation.seconds)


def test_broken_image_ends_the_run_and_keeps_what_came_before(
    run: Run, write_split: SplitWriter, linear: Linear, jpegs: tuple[bytes, ...]
) -> None:
    labels, _ = linear.choose_labels(11)
    run.split = write_split(labels, [*jpegs[:12], b"no jpeg", *jpegs[13:]])
    with pytest.raises(DataError, match=r"validation-00001-of-00002, record 3: .*no JPEG"):
        run()
    run.split = write_split(labels)
    assert run().resumed_images == 12


def test_probabilities_of_every_batch_are_checked(
    prepare: Preparer,
    preprocessing: Preprocessing,
    make_graph: GraphMaker,
    write_split: SplitWriter,
    plan: ThreadPlan,
) -> None:
    """The nearest photograph gives the answer, and the last one's is three times too much."""
    images = prepare(preprocessing)
    answers = np.eye(IMAGES, dtype=np.float32)
    answers[-1] *= 3
    graph = make_graph(images.T.copy(), -(images**2).sum(axis=1) / 2, answers)
    heard = list[EvaluationProgress]()
    with InferenceSession(graph, plan) as session, pytest.raises(InputError, match=r"sum to 1\.000 … 3\.000, not 1"):
        evaluate(session, write_split([1] * IMAGES), preprocessing, BATCH, plan, on_batch=heard.append)
    assert [progress.images for progress in heard] == [4, 8, 12, 16, 20]
