from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.graph.edit import EditableGraph, strip_annotations
from resnet_fixtures.graph.fold import (
    bypass_identities,
    fold_batch_norms,
    fold_for_inference,
    fold_paddings,
    spatial_paddings,
)
from tests.plugin.lazy_tensorflow import tf

if TYPE_CHECKING:
    from tests.plugin.graph.conftest import Array, Runner

RNG = np.random.default_rng(0)
CHANNELS = 5


def weights(*shape: int) -> Array:
    return RNG.uniform(0.5, 1.5, shape).astype(np.float32)


KERNEL = weights(3, 3, 3, CHANNELS) - 1
GAMMA, BETA, MEAN, VARIANCE, BIAS = (weights(CHANNELS) for _ in range(5))
PIXELS = RNG.normal(size=(2, 8, 8, 3)).astype(np.float32)
STATISTICS = {"scale": GAMMA, "offset": BETA, "mean": MEAN, "variance": VARIANCE}


class Builder:
    """Builds a graph with one convolution and what follows; the result is named `out`."""

    def __init__(self) -> None:
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.images = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], name="images")

    def convolve(
        self, images: tf.Tensor | None = None, kernel: Array | tf.Tensor = KERNEL, **options: object
    ) -> tf.Tensor:
        settings = {"strides": [1, 1, 1, 1], "padding": "VALID", **options}
        return tf.raw_ops.Conv2D(input=self.images if images is None else images, filter=kernel, **settings)

    def finish(self, result: tf.Tensor) -> tf.compat.v1.GraphDef:
        tf.identity(result, name="out")
        graph_def = self.graph.as_graph_def()
        strip_annotations(graph_def)
        return graph_def


def fold(graph_def: tf.compat.v1.GraphDef, *, strided: bool = True) -> tf.compat.v1.GraphDef:
    graph = EditableGraph(graph_def)
    fold_for_inference(graph, strided=strided)
    return graph.pruned("out")


def count(graph_def: tf.compat.v1.GraphDef) -> Counter[str]:
    return Counter(node.op for node in graph_def.node if node.op != "Const")


def find(graph_def: tf.compat.v1.GraphDef, op: str) -> Any:
    return next(node for node in graph_def.node if node.op == op)


def assert_same(run: Runner, one: tf.compat.v1.GraphDef, other: tf.compat.v1.GraphDef) -> None:
    expected = run(one, PIXELS, "out", "images")
    difference = np.abs(run(other, PIXELS, "out", "images") - expected).max()
    assert difference < 1e-5 * np.ptp(expected)


@pytest.mark.parametrize("version", ["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"])
def test_a_fused_batch_norm_goes_into_the_kernel(run: Runner, version: str) -> None:
    builder = Builder()
    with builder.graph.as_default():
        norm = getattr(tf.raw_ops, version)
        raw = builder.finish(norm(x=builder.convolve(), **STATISTICS, epsilon=0.01, is_training=False)[0])
    folded = fold(raw)
    assert count(folded) == {"Placeholder": 1, "Conv2D": 1, "BiasAdd": 1, "Identity": 1}
    assert_same(run, raw, folded)


@pytest.mark.parametrize("bias", ["none", "bias add", "add"])
def test_keras_batch_norm_goes_into_the_kernel(run: Runner, bias: str) -> None:
    builder = Builder()
    with builder.graph.as_default():
        result = builder.convolve()
        if bias == "bias add":
            result = tf.nn.bias_add(result, tf.squeeze(tf.reshape(tf.identity(BIAS), [1, 1, 1, -1])))
        elif bias == "add":
            result += tf.reshape(tf.identity(BIAS), [1, 1, 1, -1])
        scale = tf.math.rsqrt(tf.identity(VARIANCE) + 1e-3) * tf.identity(GAMMA)
        raw = builder.finish(result * scale + (tf.identity(BETA) - tf.identity(MEAN) * scale))
    folded = fold(raw)
    assert count(folded) == {"Placeholder": 1, "Conv2D": 1, "BiasAdd": 1, "Identity": 1}
    assert_same(run, raw, folded)


def test_scales_and_shifts_of_all_kinds_are_followed_to_the_end(run: Runner) -> None:
    builder = Builder()
    with builder.graph.as_default():
        result = (builder.convolve() - BIAS.reshape(1, 1, 1, -1)) * 0.5
        result = GAMMA * result + 2.0
        raw = builder.finish(tf.nn.relu(result))
    folded = fold(raw)
    assert count(folded) == {"Placeholder": 1, "Conv2D": 1, "BiasAdd": 1, "Relu": 1, "Identity": 1}
    assert_same(run, raw, folded)


def residual(builder: Builder) -> tf.Tensor:
    result = builder.convolve()
    return result + tf.nn.relu(result) * GAMMA


def subtracted(builder: Builder) -> tf.Tensor:
    return (GAMMA - builder.convolve()) * 2.0


def scaled_by_column(builder: Builder) -> tf.Tensor:
    return builder.convolve() * weights(1, 1, 6, 1)


def scaled_by_images(builder: Builder) -> tf.Tensor:
    return builder.convolve() * tf.reduce_mean(builder.images)


def squared(builder: Builder) -> tf.Tensor:
    result = builder.convolve()
    return result * result


def other_outputs_are_read(builder: Builder) -> tf.Tensor:
    norm = tf.raw_ops.FusedBatchNormV3(x=builder.convolve(), **STATISTICS, is_training=False)
    return norm.y + norm.batch_mean


def in_training(builder: Builder) -> tf.Tensor:
    empty = np.empty(0, np.float32)
    return tf.raw_ops.FusedBatchNormV3(
        x=builder.convolve(), scale=GAMMA, offset=BETA, mean=empty, variance=empty, is_training=True
    ).y


def only_biased(builder: Builder) -> tf.Tensor:
    return tf.nn.bias_add(builder.convolve(), BIAS)


def computed_kernel(builder: Builder) -> tf.Tensor:
    return builder.convolve(kernel=tf.nn.relu(KERNEL)) * GAMMA


def read_as_statistics(builder: Builder) -> tf.Tensor:
    mean = tf.reduce_mean(builder.convolve(), [0, 1, 2])
    return tf.raw_ops.FusedBatchNormV3(
        x=np.ones((1, 2, 2, CHANNELS), np.float32),
        scale=mean,
        offset=BETA,
        mean=MEAN,
        variance=VARIANCE,
        is_training=False,
    ).y


LEFT_ALONE = (
    residual, subtracted, scaled_by_column, scaled_by_images, squared, other_outputs_are_read, in_training, only_biased,
    computed_kernel, read_as_statistics,
)  # fmt: skip


@pytest.mark.parametrize("build", LEFT_ALONE)
def test_what_is_no_batch_norm_is_left_alone(run: Runner, build: Any) -> None:
    builder = Builder()
    with builder.graph.as_default():
        raw = builder.finish(build(builder))
    folded = fold(raw)
    assert count(folded) == count(EditableGraph(raw).pruned("out"))
    assert_same(run, raw, folded)


@pytest.mark.parametrize(("name", "expected"), [("is_training", 1), ("epsilon", 0)])
def test_attributes_left_out_of_the_file_have_tensorflows_defaults(run: Runner, name: str, expected: int) -> None:
    """Without is_training it trains, without epsilon it adds 1e-4."""
    builder = Builder()
    with builder.graph.as_default():
        norm = tf.raw_ops.FusedBatchNormV3(x=builder.convolve(), **STATISTICS, epsilon=1e-4, is_training=False)
        raw = builder.finish(norm.y)
    before = EditableGraph(raw).pruned("out")
    del find(raw, "FusedBatchNormV3").attr[name]
    folded = fold(raw)
    assert count(folded)["FusedBatchNormV3"] == expected
    if not expected:
        assert_same(run, before, folded)


def test_a_kernel_that_two_convolutions_share_is_scaled_for_each(run: Runner) -> None:
    builder = Builder()
    with builder.graph.as_default():
        kernel = tf.constant(KERNEL)
        one = builder.convolve(kernel=kernel) * GAMMA + BETA
        other = builder.convolve(kernel=kernel) * MEAN + BIAS
        raw = builder.finish(tf.nn.relu(one) + tf.nn.relu(other) + tf.reduce_mean(kernel))
    folded = fold(raw)
    assert count(folded)["BiasAdd"] == 2
    assert count(folded)["Mul"] == 0
    assert_same(run, raw, folded)


def test_names_that_are_taken_keep_their_values(run: Runner) -> None:
    builder = Builder()
    with builder.graph.as_default():
        norm = tf.raw_ops.FusedBatchNormV3(x=builder.convolve(), **STATISTICS, is_training=False, name="norm")
        taken = tf.constant(BIAS, name="norm/bias")
        raw = builder.finish(tf.nn.bias_add(tf.nn.relu(norm.y), taken))
    assert_same(run, raw, fold(raw))


def test_kernels_stored_in_bfloat16_keep_their_batch_norm() -> None:
    builder = Builder()
    with builder.graph.as_default():
        images = tf.cast(builder.images, tf.bfloat16)
        convolved = builder.convolve(images, tf.constant(KERNEL.astype(tf.bfloat16.as_numpy_dtype)))
        norm = tf.raw_ops.FusedBatchNormV3(x=convolved, **STATISTICS, is_training=False)
        raw = builder.finish(tf.cast(norm.y, tf.float32))
    assert fold(raw).SerializeToString(deterministic=True) == EditableGraph(raw).pruned("out").SerializeToString(
        deterministic=True
    )


def test_nchw_is_left_alone() -> None:
    builder = Builder()
    with builder.graph.as_default():
        images = tf.transpose(builder.images, [0, 3, 1, 2])
        padded = tf.pad(images, [[0, 0], [0, 0], [1, 1], [1, 1]])
        convolved = builder.convolve(padded, data_format="NCHW")
        norm = tf.raw_ops.FusedBatchNormV3(x=convolved, **STATISTICS, is_training=False, data_format="NCHW")
        raw = builder.finish(norm.y)
    assert count(fold(raw)) == count(raw)


PADDINGS = {  # rows before and after, columns before and after; kernel; stride; dilation; what it becomes
    "centred": ((1, 1, 1, 1), (3, 3), 1, 1, "SAME"),
    "even kernel": ((0, 1, 1, 2), (2, 4), 1, 1, "SAME"),
    "strided": ((1, 1, 1, 1), (3, 3), 2, 1, "EXPLICIT"),
    "wide": ((2, 2, 2, 2), (3, 3), 1, 1, "EXPLICIT"),
    "off centre": ((2, 0, 1, 1), (3, 3), 1, 1, "EXPLICIT"),
    "dilated": ((2, 2, 2, 2), (3, 3), 1, 2, "EXPLICIT"),
    "dilated, padded as if it were not": ((1, 1, 1, 1), (3, 3), 1, 2, "EXPLICIT"),
}


@pytest.mark.parametrize("name", PADDINGS)
def test_paddings_go_into_the_convolution_bit_for_bit(run: Runner, name: str) -> None:
    (top, bottom, left, right), (height, width), stride, dilation, expected = PADDINGS[name]
    builder = Builder()
    with builder.graph.as_default():
        padded = tf.pad(builder.images, [[0, 0], [top, bottom], [left, right], [0, 0]])
        options = {"strides": [1, stride, stride, 1], "dilations": [1, dilation, dilation, 1]}
        raw = builder.finish(builder.convolve(padded, weights(height, width, 3, 2), **options))
    folded = fold(raw)
    assert count(folded)["Pad"] == 0
    assert find(folded, "Conv2D").attr["padding"].s.decode() == expected
    np.testing.assert_array_equal(run(folded, PIXELS, "out", "images"), run(raw, PIXELS, "out", "images"))


@pytest.mark.parametrize(("stride", "expected"), [(1, "SAME"), (2, "VALID")])
def test_a_graph_to_be_quantized_knows_no_explicit_padding(stride: int, expected: str) -> None:
    builder = Builder()
    with builder.graph.as_default():
        padded = tf.pad(builder.images, [[0, 0], [1, 1], [1, 1], [0, 0]])
        raw = builder.finish(builder.convolve(padded, strides=[1, stride, stride, 1]))
    folded = fold(raw, strided=False)
    assert find(folded, "Conv2D").attr["padding"].s.decode() == expected
    assert count(folded)["Pad"] == (expected == "VALID")


def test_a_padding_that_something_else_reads_stays_for_it(run: Runner) -> None:
    builder = Builder()
    with builder.graph.as_default():
        padded = tf.pad(builder.images, [[0, 0], [1, 1], [1, 1], [0, 0]])
        raw = builder.finish(builder.convolve(padded) + tf.reduce_max(padded))
    folded = fold(raw)
    assert (count(folded)["Pad"], find(folded, "Conv2D").attr["padding"].s) == (1, b"SAME")
    np.testing.assert_array_equal(run(folded, PIXELS, "out", "images"), run(raw, PIXELS, "out", "images"))


@pytest.mark.parametrize(
    ("amounts", "padding"),
    [
        ([[0, 0], [1, 1], [1, 1], [0, 2]], "VALID"),
        ([[1, 0], [1, 1], [1, 1], [0, 0]], "VALID"),
        ([[0, 0], [1, 1], [1, 1], [0, 0]], "SAME"),
    ],
)
def test_other_paddings_are_left_alone(amounts: list[list[int]], padding: str) -> None:
    builder = Builder()
    with builder.graph.as_default():
        kernel = weights(3, 3, 3 + sum(amounts[3]), 2)
        raw = builder.finish(builder.convolve(tf.pad(builder.images, amounts), kernel, padding=padding))
    folded = fold(raw)
    assert count(folded)["Pad"] == 1
    assert find(folded, "Conv2D").attr["padding"].s.decode() == padding


def test_paddings_with_another_value_or_computed_amounts_are_none() -> None:
    builder = Builder()
    with builder.graph.as_default():
        amounts = tf.constant([[0, 0], [1, 2], [3, 4], [0, 0]])
        known = tf.raw_ops.Pad(input=builder.images, paddings=amounts)
        computed = tf.raw_ops.Pad(input=builder.images, paddings=amounts * tf.shape(builder.images)[1])
        ones = tf.raw_ops.PadV2(input=builder.images, paddings=amounts, constant_values=1.0)
        graph = EditableGraph(builder.finish(known))
    found = [spatial_paddings(graph, graph.nodes[tensor.op.name]) for tensor in (known, computed, ones)]
    assert found == [[0, 0, 1, 2, 3, 4, 0, 0], None, None]


def test_identities_are_bypassed_however_many() -> None:
    builder = Builder()
    with builder.graph.as_default():
        result = builder.images
        for _ in range(300):
            result = tf.identity(result)
        raw = builder.finish(tf.nn.relu(result, name="relu"))
    graph = EditableGraph(raw)
    bypass_identities(graph)
    assert list(graph.nodes["relu"].input) == ["images"]


def test_each_step_is_a_function_of_its_own(fp32_graph: tf.compat.v1.GraphDef, images: Array, run: Runner) -> None:
    graph = EditableGraph(fp32_graph)
    expected = run(fp32_graph, images, "dense/logits")
    for step in (bypass_identities, fold_batch_norms, lambda graph: fold_paddings(graph, strided=True)):
        step(graph)
        found = run(graph.pruned("dense/logits"), images, "dense/logits")
        assert np.abs(found - expected).max() < 1e-5 * np.ptp(expected)


def test_the_architecture_folds_down_to_what_oneDNN_fuses(fp32_graph: tf.compat.v1.GraphDef) -> None:  # noqa: N802
    graph = EditableGraph(fp32_graph)
    fold_for_inference(graph, strided=True)
    assert count(graph.pruned("softmax_tensor")) == {
        "Placeholder": 1, "Conv2D": 53, "BiasAdd": 54, "Relu": 49, "Pad": 1, "MaxPool": 1, "AddV2": 16, "Mean": 1,
        "MatMul": 1, "Softmax": 1,
    }  # fmt: skip
