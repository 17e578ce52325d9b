from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.plugin.lazy_tensorflow import LazyModule, tf

if TYPE_CHECKING:
    import numpy.typing as npt

keras: Any = LazyModule("keras")
fused: Any = LazyModule("resnet_fixtures.training.fused_layers")
Arrays = list["npt.NDArray[np.float64]"]
TOLERANCES = {"float32": 2e-5, "mixed_bfloat16": 2e-2}


def draw(*shape: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(1, 2, shape).astype(np.float32)


def run(layer: Any, images: npt.NDArray[np.float32], **options: Any) -> tuple[Any, Arrays]:
    """Return a layer's output, and the gradients to images and weights of a sum that weighs each number."""
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = layer(images, **options)
        total = tf.reduce_sum(tf.cast(output, tf.float32) * draw(*output.shape, seed=1))
    gradients = tape.gradient(total, [images, *(weight.value for weight in layer.trainable_variables)])
    return output, [np.asarray(gradient, np.float64) for gradient in gradients]


def assert_close(ours: Any, theirs: Any, policy: str) -> None:
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= TOLERANCES[policy] * np.abs(theirs).max()


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("kernel", "stride", "side"), [(1, 1, 8), (1, 2, 8), (3, 1, 7), (3, 2, 8), (3, 2, 7), (7, 2, 12)]
)
def test_convolution_is_keras_own_after_padding(kernel: int, stride: int, side: int, policy: str) -> None:
    images = draw(2, side, side, 5)
    padded = keras.layers.ZeroPadding2D(kernel // 2)
    plain = keras.layers.Conv2D(6, kernel, stride, padding="valid", use_bias=False)
    theirs, expected = run(keras.Sequential([padded, plain]), images)
    layer = fused.Convolution(6, kernel, stride, keras.initializers.Constant(plain.kernel.numpy()), dtype=policy)
    ours, gradients = run(layer, images)
    assert ours.dtype == (tf.float32 if policy == "float32" else tf.bfloat16)
    assert layer.kernel.dtype == "float32"
    assert_close(tf.cast(ours, tf.float32), theirs, policy)
    for own, other in zip(gradients, expected, strict=True):
        assert_close(own, other, policy)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("frozen", [False, True])
def test_batch_norm_is_keras_own_but_for_the_moving_variance(frozen: bool, policy: str) -> None:
    images = draw(4, 3, 3, 5)
    layers = make_norm(frozen, policy), keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    for layer in layers:
        layer.build(images.shape)
        for number, name in enumerate(("gamma", "beta", "moving_mean", "moving_variance")):
            getattr(layer, name).assign(np.abs(draw(5, seed=2 + number)) + 0.1)
    before = layers[0].moving_variance.numpy()
    ours, gradients = run(layers[0], images, training=True)
    theirs, expected = run(layers[1], images, training=not frozen)
    assert_close(tf.cast(ours, tf.float32), theirs, policy)
    for own, other in zip(gradients, expected, strict=True):
        assert_close(own, other, policy)
    rounded = np.asarray(tf.cast(tf.cast(images, ours.dtype), tf.float64))
    variance = before if frozen else 0.9 * before + 0.1 * rounded.var(axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(layers[0].moving_variance.numpy(), variance, rtol=1e-5)
    assert_close(layers[0].moving_mean.numpy(), layers[1].moving_mean.numpy(), policy)


def make_norm(frozen: bool, policy: str) -> Any:
    return fused.BatchNormalization(frozen=frozen, dtype=policy)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_batch_norm_predicts_by_the_moving_statistics_and_leaves_them(policy: str) -> None:
    layer = make_norm(False, policy)
    layer.build((None, 3, 3, 5))
    layer.moving_mean.assign(draw(5, seed=3))
    layer.moving_variance.assign(np.abs(draw(5, seed=4)))
    kept = [variable.numpy() for variable in layer.variables]
    images = draw(2, 3, 3, 5)
    normalised = (images - kept[2]) / np.sqrt(kept[3].astype(np.float64) + 1e-5)
    assert_close(tf.cast(layer(images, training=False), tf.float32), normalised, policy)
    assert all(np.array_equal(variable.numpy(), old) for variable, old in zip(layer.variables, kept, strict=True))
    assert {variable.dtype for variable in layer.variables} == {"float32"}


def test_max_pool_pads_a_pixel_on_each_side() -> None:
    images = np.zeros((1, 4, 4, 1), np.float32)
    images[0, :, :, 0] = np.arange(16).reshape(4, 4)
    assert np.asarray(fused.MaxPool()(images))[0, :, :, 0].tolist() == [[5, 7], [13, 15]]
