"""Score a model in training on every validation image exactly once, each rank on its share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from resnet_fixtures.data.imagenet import read_batches
from resnet_fixtures.data.preprocess import Preprocessing
from resnet_fixtures.training.events import Evaluated

if TYPE_CHECKING:
    from resnet_fixtures.data.split import Split
    from resnet_fixtures.training.communicator import Communicator
    from resnet_fixtures.training.order import Order
    from resnet_fixtures.training.step import TrainingStep

EVALUATION_BATCH = 100


def evaluate(step: TrainingStep, split: Split, order: Order, communicator: Communicator, epoch: int) -> Evaluated:
    """Return the counts over all ranks' shares; the ranks' moving statistics are averaged before, and stay so."""
    start_s = time.perf_counter()
    step.set_moving_statistics(communicator.mean(step.moving_statistics()))
    shares = share(split.images, communicator.rank, communicator.size)
    correct1, correct5, images = communicator.total(_count(step, split, order, shares))
    if images != split.images:
        raise AssertionError(f"{images} of {split.images} images were scored")
    return Evaluated(epoch, step.step, correct1, correct5, images, time.perf_counter() - start_s)


def share(images: int, rank: int, ranks: int) -> range:
    """Return the images that a rank scores: neighbours, disjoint between ranks, at most one more than another's."""
    return range(images * rank // ranks, images * (rank + 1) // ranks)


def _count(step: TrainingStep, split: Split, order: Order, images: range) -> tuple[int, int, int]:
    architecture = order.recipe.architecture
    preprocessing = Preprocessing.for_image_size(architecture.image_size)
    correct1 = correct5 = seen = 0
    for batch in read_batches(
        split, preprocessing, EVALUATION_BATCH, architecture.classes, order.data_threads, images.start, len(images)
    ):
        first, fifth = step.count_correct(batch.images, batch.labels)
        correct1, correct5, seen = correct1 + first, correct5 + fifth, seen + len(batch.labels)
    return correct1, correct5, seen
