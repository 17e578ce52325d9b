"""Look for the one usual mistake that explains a low accuracy."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.accuracy.evaluate import score_batch
from resnet_fixtures.accuracy.predictions import join_predictions
from resnet_fixtures.data.imagenet import read_batches
from resnet_fixtures.data.preprocess import ChannelOrder, Resizing, Scaling
from resnet_fixtures.errors import InputError
from resnet_fixtures.stats.proportion import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet_fixtures.accuracy.predictions import Predictions
    from resnet_fixtures.data.preprocess import Preprocessing
    from resnet_fixtures.data.split import Split
    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from resnet_fixtures.inference.session import InferenceSession

FAR_BELOW = 0.03  # other versions and kernels move the accuracy by a tenth of this
SAMPLE_IMAGES = 200
SAMPLE_BATCH = 20
CONFIDENCE = 0.99  # a dozen suspects are asked, so that one in twenty would be too many
LABELS_CURE = "convert the data again, or pass a graph whose classes are counted like the data's"
IMAGES_CURE = "put that step into the graph, or pass a graph that was trained on images prepared as here"


NONE_EXPLAINS = (
    "Labels off by one, other channel orders, scalings and resizings were tried on a sample, and none explains it: "
    "see that this is the published graph, and that the images have the labels that the graph was trained on."
)


@dataclass(frozen=True)
class Explanation:
    """Name the change under which the graph answers right, and what it does on a sample of so many images."""

    change: str
    cure: str
    correct: int
    correct_before: int
    images: int

    @property
    def sentence(self) -> str:
        """Say it in one sentence with the cure."""
        return (
            f"On {self.images} images top-1 is {self.correct / self.images:.3f} instead of "
            f"{self.correct_before / self.images:.3f} when {self.change}: {self.cure}."
        )


def is_far_below(predictions: Predictions, expected_top1: float) -> bool:
    """Tell a top-1 that no version or kernel makes so low (0..1)."""
    return predictions.images > 0 and predictions.top1 < expected_top1 - FAR_BELOW


def explain_low_accuracy(
    session: InferenceSession,
    split: Split,
    preprocessing: Preprocessing,
    plan: ThreadPlan,
    predictions: Predictions,
    expected_top1: float,
) -> Explanation | None:
    """Try each usual suspect on the first images of a finished evaluation and give the one that lifts top-1 most.

    None if top-1 is not far below the expected one (0..1), or if no suspect is clearly better: Wilson's intervals at
    99 % must not overlap.
    """
    if not is_far_below(predictions, expected_top1):
        return None
    sample = predictions.head(SAMPLE_IMAGES)
    tried = chain(shift_labels(sample), prepare_otherwise(session, split, preprocessing, plan, sample))
    best = max(tried, key=lambda explanation: explanation.correct)
    return best if _is_clear(best) else None


def shift_labels(sample: Predictions) -> Iterator[Explanation]:
    """Count the classes one higher or lower, which takes no inference."""
    for shift, direction in ((1, "higher"), (-1, "lower")):
        correct = int(np.count_nonzero(sample.prediction == sample.actual + shift))
        yield Explanation(f"the labels are taken one {direction}", LABELS_CURE, correct, sample.correct1, sample.images)


def prepare_otherwise(
    session: InferenceSession, split: Split, preprocessing: Preprocessing, plan: ThreadPlan, sample: Predictions
) -> Iterator[Explanation]:
    """Score the sample's images again under each other preprocessing that the graph has an answer to."""
    for change, other in vary(preprocessing):
        classes = session.graph.classes
        batches = read_batches(split, other, SAMPLE_BATCH, classes, plan.data_intra, take=sample.images)
        with suppress(InputError):  # values that a graph was not made for may be more than it can multiply
            again = join_predictions([score_batch(batch, session.checked_predict(batch.images)) for batch in batches])
            yield Explanation(change, IMAGES_CURE, again.correct1, sample.correct1, sample.images)


def vary(preprocessing: Preprocessing) -> Iterator[tuple[str, Preprocessing]]:
    """Change one step of the preprocessing at a time, and say which."""
    side = preprocessing.image_size
    uncropped = f"the short side is resized to {side}, not {preprocessing.resize_side}"
    variants = (
        *((f"the channel order is {way.value}", replace(preprocessing, channel_order=way)) for way in ChannelOrder),
        *((f"the scaling is {way.value}", replace(preprocessing, scaling=way)) for way in Scaling),
        *((f"the resizing is {way.value}", replace(preprocessing, resizing=way)) for way in Resizing),
        (uncropped, replace(preprocessing, resize_side=side)),
    )
    return ((change, other) for change, other in variants if other != preprocessing)


def _is_clear(explanation: Explanation) -> bool:
    after = wilson_interval(explanation.correct, explanation.images, CONFIDENCE)
    before = wilson_interval(explanation.correct_before, explanation.images, CONFIDENCE)
    return after.low > before.high
