"""Score a graph on every image of a split."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet_fixtures.accuracy.predictions import Predictions, join_predictions
from resnet_fixtures.accuracy.topk import choose_classes, rank_labels
from resnet_fixtures.data.imagenet import read_batches
from resnet_fixtures.data.labels import to_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet_fixtures.accuracy.journal import Journal
    from resnet_fixtures.data.imagenet import LabelledBatch
    from resnet_fixtures.data.preprocess import Preprocessing
    from resnet_fixtures.data.split import Split
    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from resnet_fixtures.inference.session import InferenceSession, Probabilities

NS_PER_S = 1e9


@dataclass(frozen=True)
class EvaluationProgress:
    """Tell how far an evaluation is; the counts include the resumed images.

    `inference_s` is the time that the last batch spent in the network, as the seed logs it.
    """

    images: int
    total: int
    correct1: int
    correct5: int
    inference_s: float

    @property
    def top1(self) -> float:
        """Give the share of top-1 hits so far."""
        return self.correct1 / self.images

    @property
    def top5(self) -> float:
        """Give the share of top-5 hits so far."""
        return self.correct5 / self.images

    def after(self, scored: Predictions, inference_s: float) -> EvaluationProgress:
        """Give the state when one batch more is scored."""
        return EvaluationProgress(
            self.images + scored.images,
            self.total,
            self.correct1 + scored.correct1,
            self.correct5 + scored.correct5,
            inference_s,
        )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Hold the answers for all images, of which the first `resumed_images` are an earlier run's.

    `seconds` is the time for the others, from opening the files to the last score. `first_batch_s` is its part up to
    the first score, the start of the pipeline and of the network; None where no image was left.
    """

    predictions: Predictions
    resumed_images: int
    seconds: float
    first_batch_s: float | None

    @property
    def images_per_s(self) -> float | None:
        """Give the throughput of decoding and inference together; None where no image was left."""
        images = self.predictions.images - self.resumed_images
        return images / self.seconds if images else None


def evaluate(
    session: InferenceSession,
    split: Split,
    preprocessing: Preprocessing,
    batch_size: int,
    plan: ThreadPlan,
    journal: Journal | None = None,
    on_batch: Callable[[EvaluationProgress], object] | None = None,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Evaluation:
    """Score every image that the journal does not have yet, the last batch too if it is smaller.

    The pipeline decodes the next batches while one is in the network. Every batch's probabilities are checked. `clock`
    counts nanoseconds; `on_batch` hears of a batch when the journal has it.
    """
    start_ns, first_batch_s, parts = clock(), None, [journal.scored if journal else join_predictions([])]
    resumed_images, classes = parts[0].images, session.graph.classes
    progress = EvaluationProgress(0, split.images, 0, 0, 0.0).after(parts[0], 0.0)
    for batch in read_batches(split, preprocessing, batch_size, classes, plan.data_intra, skip=resumed_images):
        fed_ns = clock()
        scored = score_batch(batch, session.checked_predict(batch.images))
        scored_ns = clock()
        first_batch_s = first_batch_s or (scored_ns - start_ns) / NS_PER_S
        parts.append(scored)
        progress = progress.after(scored, (scored_ns - fed_ns) / NS_PER_S)
        if journal:
            journal.append(scored)
        if on_batch:
            on_batch(progress)
    return Evaluation(join_predictions(parts), resumed_images, (clock() - start_ns) / NS_PER_S, first_batch_s)


def score_batch(batch: LabelledBatch, probabilities: Probabilities) -> Predictions:
    """Compare the probabilities [b, classes] of a batch with its labels."""
    classes = probabilities.shape[1]
    return Predictions(
        batch.filenames,
        to_labels(batch.labels, classes),
        to_labels(choose_classes(probabilities), classes),
        rank_labels(probabilities, batch.labels),
    )
