"""Dummy images to train on: easy to learn, so that a trial's loss falls, and drawn once, so that a step is a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.data.labels import to_indices, valid_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import tensorflow as tf

    from resnet_fixtures.training.recipe import Recipe

DUMMY_CLASSES = 10
DUMMY_IMAGES = 80  # different ones; 48 MB at 224x224
EPOCH_BATCHES = 8  # global ones, of the same images again and again
PATTERN_SIDE = 4  # a class is a pattern of so many tiles each way
PATTERN_STDDEV = 60.0  # grey levels
NOISE_STDDEV = 30.0


def count_dummies(recipe: Recipe) -> int:
    """Count the images of an epoch, repetitions included."""
    return EPOCH_BATCHES * recipe.global_batch


def draw_dummies(image_size: int, classes: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Draw DUMMY_IMAGES float32 images [n, S, S, 3] about 0 and their labels int32 [n], indices of `classes` outputs.

    Each class is a coarse pattern, each image its class' pattern under noise of its own.
    """
    rng = np.random.default_rng(seed)
    labels = valid_labels(classes)[:DUMMY_CLASSES]
    patterns = rng.standard_normal((len(labels), PATTERN_SIDE, PATTERN_SIDE, 3), dtype=np.float32) * PATTERN_STDDEV
    tiles = np.arange(image_size) * PATTERN_SIDE // image_size
    kinds = np.arange(DUMMY_IMAGES) % len(labels)
    images = rng.standard_normal((DUMMY_IMAGES, image_size, image_size, 3), dtype=np.float32)
    images *= NOISE_STDDEV
    for image, kind in zip(images, kinds, strict=True):
        image += patterns[kind][tiles[:, None], tiles]
    return images, to_indices(np.array(labels)[kinds], classes)


class Dummies:
    """The training set of dummies, drawn for a recipe once and for all its epochs."""

    def __init__(self, recipe: Recipe) -> None:
        import tensorflow as tf

        architecture = recipe.architecture
        images, labels = draw_dummies(architecture.image_size, architecture.classes, recipe.seed)
        self._images, self._labels = tf.constant(images), tf.constant(labels)
        self._recipe = recipe

    def batches(self, rank: int, first_step: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Give a rank's images float32 [B, S, S, 3] and labels int32 [B] for an epoch's steps from one (from 0) on.

        A step's global batch is the same for any number of ranks: they divide it among themselves. To copy it takes
        some milliseconds, and no thread.
        """
        import tensorflow as tf

        size = self._recipe.batch_size
        for step in range(first_step, EPOCH_BATCHES):
            chosen = (np.arange(size) + step * self._recipe.global_batch + rank * size) % DUMMY_IMAGES
            yield tf.gather(self._images, chosen), tf.gather(self._labels, chosen)
