"""Train the small ResNet-50 v1.5 that scores the embedded digits, once, and keep its weights.

The same architecture at a quarter of the width on 64x64 images: 9 epochs of SGD, about a minute on 2 cores.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.data.digits import DIGITS_CLASSES
from resnet_fixtures.data.imagenet import find_split, read_batches
from resnet_fixtures.data.preprocess import Preprocessing
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.training.keras_layers import build_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import keras
    import numpy.typing as npt
    import tensorflow as tf

DIGITS_ARCHITECTURE = Architecture(width=16, classes=DIGITS_CLASSES, image_size=64)


@dataclass(frozen=True)
class Recipe:
    """How a small model is trained: SGD whose rate rises for an epoch to its peak and falls along a cosine.

    Each image is moved by up to `shift_pixels`, so that int8 has margins to live on.
    """

    architecture: Architecture = DIGITS_ARCHITECTURE
    epochs: int = 9
    batch_size: int = 64
    peak_learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    shift_pixels: int = 2
    seed: int = 1


DIGITS_RECIPE = Recipe()


def train_digits(
    location: Path, threads: int, on_epoch: Callable[[int, float], object], recipe: Recipe = DIGITS_RECIPE
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weights after all epochs over the train split; `on_epoch` hears each number (from 1) and loss."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(recipe.seed)
    images, labels = _load(location, threads, recipe)
    model, layers = build_model(recipe.architecture)
    layers.start_blocks_as_identity()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(_optimizer(len(images), recipe), loss, jit_compile=False)
    shuffled = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images), recipe.seed)
    dataset = shuffled.map(_shift(recipe), threads).batch(recipe.batch_size, drop_remainder=True)
    report = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, float(logs["loss"])))
    model.fit(dataset, epochs=recipe.epochs, verbose=0, shuffle=False, callbacks=[report])
    return layers.weights()


def pack_weights(weights: dict[str, npt.NDArray[np.float32]]) -> bytes:
    """Return the weights as the bytes of an .npz file."""
    file = io.BytesIO()
    np.savez(file, **weights)  # type: ignore[arg-type] # numpy's stub takes the names for its own keywords
    return file.getvalue()


def read_weights(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weights of an .npz file; pickled objects are refused."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _load(location: Path, threads: int, recipe: Recipe) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    split = find_split(location, "train")
    preprocessing = Preprocessing.for_image_size(recipe.architecture.image_size)
    batches = list(read_batches(split, preprocessing, recipe.batch_size, recipe.architecture.classes, threads))
    return np.concatenate([batch.images for batch in batches]), np.concatenate([batch.labels for batch in batches])


def _shift(recipe: Recipe) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Move an image [S, S, 3] by up to `shift_pixels` each way, its border mirrored."""
    import tensorflow as tf

    margins = [[recipe.shift_pixels] * 2, [recipe.shift_pixels] * 2, [0, 0]]

    def shift(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        padded = tf.pad(image, margins, mode="REFLECT")
        return tf.image.random_crop(padded, image.shape, seed=recipe.seed), label

    return shift


def _optimizer(images: int, recipe: Recipe) -> keras.optimizers.Optimizer:
    import keras

    steps = recipe.epochs * (images // recipe.batch_size)
    rising = steps // recipe.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.peak_learning_rate / 10, steps - rising, warmup_target=recipe.peak_learning_rate, warmup_steps=rising
    )
    return keras.optimizers.SGD(schedule, recipe.momentum, weight_decay=recipe.weight_decay)
