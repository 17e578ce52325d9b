"""Train the small ResNet-50 v1.5 that scores the embedded digits, once, and keep its weights.

The same architecture at a quarter of the width on 64x64 images: 9 epochs of SGD, about a minute on 2 cores.
"""

from __future__ import annotations

import io
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
EPOCHS = 9
BATCH_SIZE = 64
PEAK_LEARNING_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 1e-4
SHIFT_PIXELS = 2  # each image is moved by up to this much, so that int8 has margins to live on
SEED = 1


def train_digits(
    location: Path, threads: int, on_epoch: Callable[[int, float], object]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weights after EPOCHS over the train split; `on_epoch` hears each epoch's number (from 1) and loss."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    images, labels = _load(location, threads)
    model, layers = build_model(DIGITS_ARCHITECTURE)
    layers.start_blocks_as_identity()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(_optimizer(len(images)), loss, jit_compile=False)
    shuffled = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images), SEED)
    dataset = shuffled.map(_shift, threads).batch(BATCH_SIZE, drop_remainder=True)
    report = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, float(logs["loss"])))
    model.fit(dataset, epochs=EPOCHS, verbose=0, shuffle=False, callbacks=[report])
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


def _load(location: Path, threads: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    split = find_split(location, "train")
    preprocessing = Preprocessing.for_image_size(DIGITS_ARCHITECTURE.image_size)
    batches = list(read_batches(split, preprocessing, BATCH_SIZE, DIGITS_CLASSES, threads))
    return np.concatenate([batch.images for batch in batches]), np.concatenate([batch.labels for batch in batches])


def _shift(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Move an image [S, S, 3] by up to SHIFT_PIXELS each way, its border mirrored."""
    import tensorflow as tf

    padded = tf.pad(image, [[SHIFT_PIXELS] * 2, [SHIFT_PIXELS] * 2, [0, 0]], mode="REFLECT")
    return tf.image.random_crop(padded, image.shape, seed=SEED), label


def _optimizer(images: int) -> keras.optimizers.Optimizer:
    import keras

    steps = EPOCHS * (images // BATCH_SIZE)
    schedule = keras.optimizers.schedules.CosineDecay(
        PEAK_LEARNING_RATE / 10, steps - steps // EPOCHS, warmup_target=PEAK_LEARNING_RATE, warmup_steps=steps // EPOCHS
    )
    return keras.optimizers.SGD(schedule, MOMENTUM, weight_decay=WEIGHT_DECAY)
