"""TensorFlow adds each of the refused summands beyond the memory of one side; none of these graphs is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.edit import EditableGraph, strip_annotations
from resnet_fixtures.graph.fused_sums import check_sums
from resnet_fixtures.graph.interface import find_interface, set_image_shape
from resnet_fixtures.graph.shapes import infer_types
from tests.plugin.lazy_tensorflow import GraphDef, tf

if TYPE_CHECKING:
    from collections.abc import Callable

Summand: TypeAlias = "Callable[[tf.Tensor], tf.Tensor]"

SIDE, CHANNELS = 8, 3
SHAPE = (1, SIDE, SIDE, CHANNELS)


def build(make: Callable[[tf.Tensor], object]) -> GraphDef:
    with tf.Graph().as_default() as graph:
        make(tf.compat.v1.placeholder(tf.float32, [1, SIDE, SIDE, CHANNELS], name="images"))
    graph_def = graph.as_graph_def()
    strip_annotations(graph_def)
    return graph_def


def check(graph_def: GraphDef) -> None:
    check_sums(graph_def, infer_types(graph_def, "x.pb"), "x.pb")


def fuse(summand: Summand) -> GraphDef:
    """Convolve the images into their own shape, and add what `summand` makes of them."""

    def make(images: tf.Tensor) -> object:
        kernel, bias = tf.constant(np.ones((1, 1, CHANNELS, CHANNELS), np.float32)), tf.constant([0.0] * CHANNELS)
        return [tf.identity(kernel, "kernel"), tf.identity(bias, "bias"), tf.identity(summand(images), "summand")]

    graph_def = build(make)
    node = graph_def.node.add(name="sum", op="_FusedConv2D", input=["images", "kernel", "bias", "summand"])
    node.attr["T"].type = tf.float32.as_datatype_enum
    node.attr["TArgs"].list.type[:] = [tf.float32.as_datatype_enum] * 2
    node.attr["num_args"].i = 2
    node.attr["strides"].list.i[:] = [1, 1, 1, 1]
    node.attr["padding"].s = b"SAME"
    node.attr["fused_ops"].list.s[:] = [b"BiasAdd", b"Add", b"Relu"]
    return graph_def


def quantize(images: tf.Tensor) -> tf.Tensor:
    quantized = tf.raw_ops.QuantizeV2(input=images, min_range=0.0, max_range=1.0, T=tf.quint8)
    return tf.raw_ops.Dequantize(input=quantized.output, min_range=0.0, max_range=1.0)


def padded_pool(images: tf.Tensor) -> tf.Tensor:
    return tf.nn.max_pool2d(tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 1, "VALID")


def gated(images: tf.Tensor) -> tf.Tensor:
    return images * tf.sigmoid(tf.reduce_mean(images, [1, 2], keepdims=True))


def added_constants(images: tf.Tensor) -> tf.Tensor:
    """Add constants, in ranges that depend on the images."""
    ones, most = tf.bitcast(np.ones(SHAPE, np.uint8), tf.quint8), tf.reduce_max(images)
    added = tf.raw_ops.QuantizedAdd(x=ones, y=ones, min_x=0.0, max_x=most, min_y=0.0, max_y=most)
    return tf.raw_ops.Dequantize(input=added.z, min_range=added.min_z, max_range=added.max_z)


GROWING: tuple[Summand, ...] = (
    lambda images: images,
    lambda images: tf.nn.relu(images),
    lambda images: tf.nn.conv2d(images, np.ones((3, 3, CHANNELS, CHANNELS), np.float32), 1, "SAME"),
    lambda images: images + np.ones(CHANNELS, np.float32),
    lambda images: np.ones(SHAPE, np.float32) - images,
    quantize, padded_pool, gated,
)  # fmt: skip
OF_ANOTHER_SHAPE: tuple[Summand, ...] = (
    lambda images: images[:, :1],
    lambda _: tf.ones(CHANNELS),
    lambda _: tf.ones([9, SIDE, SIDE, CHANNELS]),
    lambda images: tf.pad(images, [[0, 0], [0, 1], [0, 0], [0, 0]]),
)
NOT_GROWING: tuple[Summand, ...] = (
    lambda _: tf.constant(np.ones(SHAPE, np.float32)),
    lambda images: images[:1],
    lambda images: tf.reduce_max(images, 0, keepdims=True),
    lambda images: tf.transpose(tf.reduce_sum(images, [1], keepdims=True), [1, 0, 2, 3]) + tf.zeros(SHAPE),
    lambda images: tf.reshape(images, SHAPE),
    lambda images: images * images[:1],
    lambda images: tf.reduce_sum(images, [1, 2]) + np.zeros(SHAPE, np.float32),
    added_constants,
    lambda images: tf.nn.conv2d(tf.ones(SHAPE), tf.ones([1, 1, 3, 1]) * images[:, :1, :1], 1, "SAME"),
)


@pytest.mark.parametrize("summand", GROWING)
def test_what_grows_with_the_images_may_be_added(summand: Summand) -> None:
    check(fuse(summand))


@pytest.mark.parametrize("summand", OF_ANOTHER_SHAPE)
def test_another_shape_is_refused(summand: Summand) -> None:
    match = (
        r"^x\.pb: node sum adds \[.*\] to \[1, 8, 8, 3\] for one image: pass a graph that adds tensors of one shape\.$"
    )
    with pytest.raises(InputError, match=match):
        check(fuse(summand))


@pytest.mark.parametrize("summand", NOT_GROWING)
def test_what_has_the_shape_for_one_image_alone_is_refused(summand: Summand) -> None:
    match = (
        r"^x\.pb: node sum adds summand, which need not grow with the number of images as it does itself: pass a graph"
    )
    with pytest.raises(InputError, match=match):
        check(fuse(summand))


def test_constants_may_be_added_to_constants() -> None:
    graph_def = fuse(lambda _: tf.ones(SHAPE))
    node = graph_def.node[-1]
    node.input[0] = "summand"
    check(graph_def)


@pytest.mark.parametrize("reference", ["summand:1", ""])
def test_a_sum_without_a_summand_is_refused(reference: str) -> None:
    def split(images: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.FusedBatchNorm(x=images, scale=[1.0] * 3, offset=[0.0] * 3, mean=[], variance=[]).y

    graph_def = fuse(split)
    types = infer_types(graph_def, "x.pb")
    node = graph_def.node[-1]
    node.input[3:] = [reference] if reference else []
    with pytest.raises(InputError, match=r"^x\.pb: node sum has nothing to add, though it is a sum: pass a graph that"):
        check_sums(graph_def, types, "x.pb")


QUANTIZED_SUMS = (
    "QuantizedConv2DWithBiasSumAndRelu",
    "QuantizedConv2DWithBiasSumAndReluAndRequantize",
    "QuantizedConv2DWithBiasSignedSumAndReluAndRequantize",
)


def quantized_sum(op: str, summand: tuple[int, ...]) -> GraphDef:
    """Make a graph of constants with TensorFlow's quantized operation `op`."""
    kind = tf.qint8 if "Signed" in op else tf.quint8
    ranges = {"min_freezed_output": 0.0, "max_freezed_output": 1.0, "min_summand": 0.0, "max_summand": 1.0}

    def make(_: tf.Tensor) -> object:
        bits = tf.bitcast(np.ones(summand, np.int8 if kind is tf.qint8 else np.uint8), kind)
        is_requantized = op.endswith("AndRequantize")
        return getattr(tf.raw_ops, op)(
            input=tf.bitcast(np.ones(SHAPE, np.uint8), tf.quint8), summand=bits if is_requantized else np.ones(summand),
            filter=tf.bitcast(np.ones((1, 1, CHANNELS, CHANNELS), np.int8), tf.qint8), bias=[0.0] * CHANNELS,
            min_input=0.0, max_input=1.0, min_filter=[-1.0] * CHANNELS, max_filter=[1.0] * CHANNELS,
            strides=[1, 1, 1, 1], padding="VALID", name="sum", **(ranges if is_requantized else {}),
        )  # fmt: skip

    return build(make)


@pytest.mark.parametrize("op", QUANTIZED_SUMS)
def test_quantized_sums_are_read(op: str) -> None:
    check(quantized_sum(op, SHAPE))
    with pytest.raises(InputError, match=r"node sum adds \[1, 1, 1, 3\] to \[1, 8, 8, 3\] for one image"):
        check(quantized_sum(op, (1, 1, 1, CHANNELS)))


ADDS_UNLIKE = r"node sum adds \[1, 1, 1, 3\] to \[1, 8, 8, 3\] for one image"


@pytest.mark.parametrize(
    ("op", "fused", "sentence"),
    [
        ("_FusedMatMul", b"Add", ADDS_UNLIKE),
        (
            "_FusedQuantizedConv2D",
            b"Sum",
            r"node sum is a sum in _FusedQuantizedConv2D, which ends TensorFlow's process",
        ),
    ],
)
def test_sums_of_other_fused_operations_are_read(op: str, fused: bytes, sentence: str) -> None:
    graph_def = fuse(lambda _: tf.ones([1, 1, 1, CHANNELS]))
    types = infer_types(graph_def, "x.pb")
    graph_def.node[-1].op = op
    graph_def.node[-1].attr["fused_ops"].list.s[:] = [b"BiasAdd", fused]
    with pytest.raises(InputError, match=sentence):
        check_sums(graph_def, types, "x.pb")


def test_sums_of_a_whole_int8_graph_pass(int8_graph: GraphDef) -> None:
    graph_def = EditableGraph(int8_graph).pruned("softmax_tensor")
    assert sum("Sum" in node.op for node in graph_def.node) == 16
    set_image_shape(next(node for node in graph_def.node if node.op == "Placeholder"), 1, 32)
    check(graph_def)


def test_a_graph_is_refused_before_it_can_run() -> None:
    graph_def = fuse(lambda _: tf.ones([1, 1, 1, CHANNELS]))
    graph_def.node.add(name="axes", op="Const").attr["dtype"].type = tf.int32.as_datatype_enum
    graph_def.node[-1].attr["value"].tensor.CopyFrom(tf.make_tensor_proto([1, 2]))
    mean = graph_def.node.add(name="classes", op="Mean", input=["sum", "axes"])
    mean.attr["T"].type, mean.attr["Tidx"].type = tf.float32.as_datatype_enum, tf.int32.as_datatype_enum
    with pytest.raises(InputError, match=r"^x\.pb: node sum adds \[1, 1, 1, 3\] to \[1, 8, 8, 3\] for one image"):
        find_interface(graph_def, "x.pb")
