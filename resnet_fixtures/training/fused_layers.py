"""Keras layers over TensorFlow's fused operations, which oneDNN carries out; importing this module loads TensorFlow.

Keras' own layers give the same numbers (tests say so) and cost more: its batch norm is a chain of elementwise
operations, and a padding layer before each 3x3 convolution copies the images there and back.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from resnet_fixtures.graph.resnet50 import BATCH_NORM_EPSILON

BATCH_NORM_MOMENTUM = 0.9  # as MLPerf's reference has it


class Convolution(keras.layers.Layer):  # type: ignore[misc] # Keras has no types that mypy follows
    """Convolve images [N, H, W, C] without bias after padding `kernel // 2` zeros on each side.

    "SAME" pads just that where the stride is 1; where it is not, a Pad does. TensorFlow 2.21 leaves the weights'
    gradient of a convolution with explicit paddings to a kernel without oneDNN (ResNet-50 at batch 16 on 2 cores: a
    step of 6.0 instead of 5.1 CPU seconds in fp32, of 36 instead of 2.8 in bf16). A 1x1 convolution in fp32 is a matrix
    product, whose weights' gradient is faster (4.6 instead of 5.1 CPU seconds); in bf16 it is slower (3.0, not 2.8).
    """

    def __init__(self, filters: int, kernel: int, stride: int, initializer: Any, **options: Any) -> None:
        super().__init__(**options)
        self._filters = filters
        self._size = kernel
        self._stride = stride
        self._initializer = initializer

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the kernel [kh, kw, C, filters]."""
        kernel = (self._size, self._size, shape[-1], self._filters)
        self.kernel = self.add_weight(shape=kernel, initializer=self._initializer, name="kernel")

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Return [N, H / stride, W / stride, filters]."""
        kernel = tf.convert_to_tensor(self.kernel)
        if self._size == self._stride == 1 and kernel.dtype == tf.float32:
            return self._multiply(images, kernel)
        if self._stride == 1:
            return tf.nn.conv2d(images, kernel, 1, "SAME")
        return tf.nn.conv2d(pad(images, self._size // 2), kernel, self._stride, "VALID")

    def _multiply(self, images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        _, height, width, channels = images.shape
        product = tf.matmul(tf.reshape(images, [-1, channels]), kernel[0, 0])
        return tf.reshape(product, [-1, height, width, self._filters])


class BatchNormalization(keras.layers.Layer):  # type: ignore[misc]
    """Normalise images [N, H, W, C], float32 or bfloat16, with statistics and parameters in float32.

    In training by the batch's statistics, which move the moving ones (the variance without bias, n - 1, as the
    reference and torchvision have it; Keras' own layer moves the biased one); else, and always when `frozen`, by the
    moving ones, which stay as they are.
    """

    def __init__(self, *, frozen: bool, **options: Any) -> None:
        super().__init__(**options)
        self._frozen = frozen

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make scale, offset and the moving statistics [C]."""
        self.gamma = self._add(shape, "ones", "gamma", trainable=True)
        self.beta = self._add(shape, "zeros", "beta", trainable=True)
        self.moving_mean = self._add(shape, "zeros", "moving_mean", trainable=False)
        self.moving_variance = self._add(shape, "ones", "moving_variance", trainable=False)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the normalised images in their own type."""
        if not training or self._frozen:
            return self._normalise(images, self.moving_mean, self.moving_variance, is_training=False).y
        nothing = tf.constant([], tf.float32)
        normalised = self._normalise(images, nothing, nothing, is_training=True)
        move(self.moving_mean, normalised.batch_mean)
        move(self.moving_variance, normalised.batch_variance)
        return normalised.y

    def _normalise(self, images: tf.Tensor, mean: Any, variance: Any, *, is_training: bool) -> Any:
        return tf.raw_ops.FusedBatchNormV3(
            x=images,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.convert_to_tensor(mean),
            variance=tf.convert_to_tensor(variance),
            epsilon=BATCH_NORM_EPSILON,
            is_training=is_training,
        )

    def _add(self, shape: tuple[int | None, ...], initializer: str, name: str, *, trainable: bool) -> keras.Variable:
        return self.add_weight(
            shape=shape[-1:], initializer=initializer, name=name, trainable=trainable, autocast=False, dtype="float32"
        )


class MaxPool(keras.layers.Layer):  # type: ignore[misc]
    """Pad one zero on each side of images [N, H, W, C] that are not negative, then take 3x3 windows with stride 2."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Return [N, H / 2, W / 2, C]."""
        return tf.nn.max_pool2d(pad(images, 1), 3, 2, "VALID")


def pad(images: tf.Tensor, pixels: int) -> tf.Tensor:
    """Add zeros on each side of images [N, H, W, C]."""
    return tf.pad(images, [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]]) if pixels else images


def move(moving: keras.Variable, batch: tf.Tensor) -> None:
    """Let a moving statistic follow the batch's."""
    moving.assign(moving - (moving - batch) * (1 - BATCH_NORM_MOMENTUM))
