from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.graph.bfloat16 import convert_to_bfloat16
from resnet_fixtures.graph.edit import BFLOAT16, FLOAT32, EditableGraph
from resnet_fixtures.graph.freeze import OUTPUT_NAME
from resnet_fixtures.graph.frozen import transform_for_inference
from resnet_fixtures.graph.interface import find_precision
from resnet_fixtures.precision import Precision
from tests.plugin.lazy_tensorflow import tf

if TYPE_CHECKING:
    from tests.plugin.graph.conftest import Array, Runner

ROUNDING = 2**-8  # bfloat16 keeps 8 bits


@pytest.fixture(scope="module")
def folded(fp32_graph: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    return transform_for_inference(fp32_graph, OUTPUT_NAME)[0]


@pytest.fixture(scope="module")
def converted(folded: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    return convert_to_bfloat16(folded, OUTPUT_NAME)


def list_types(graph_def: tf.compat.v1.GraphDef, op: str) -> set[int]:
    return {node.attr["T"].type for node in graph_def.node if node.op == op}


def test_all_convolutions_compute_in_bfloat16(converted: tf.compat.v1.GraphDef) -> None:
    assert Counter(node.op for node in converted.node)["Conv2D"] == 53
    for op in ("Conv2D", "Relu", "AddV2", "Pad", "MaxPool"):
        assert list_types(converted, op) == {BFLOAT16}
    assert find_precision(converted) is Precision.BF16


def test_pooling_dense_layer_and_softmax_stay_float32(converted: tf.compat.v1.GraphDef) -> None:
    for op in ("Mean", "MatMul", "Softmax"):
        assert list_types(converted, op) == {FLOAT32}


def test_one_cast_in_and_one_out(converted: tf.compat.v1.GraphDef) -> None:
    casts = [node.input[0] for node in converted.node if node.op == "Cast"]
    assert casts == ["input_tensor", "stage5/block3/relu"]


def test_weights_are_stored_in_bfloat16(folded: tf.compat.v1.GraphDef, converted: tf.compat.v1.GraphDef) -> None:
    assert converted.ByteSize() < 0.6 * folded.ByteSize()


def test_results_stay_close(
    fp32_graph: tf.compat.v1.GraphDef, converted: tf.compat.v1.GraphDef, images: Array, run: Runner
) -> None:
    expected = run(fp32_graph, images, "dense/logits")
    found = run(converted, images, "dense/logits")
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 4 * ROUNDING * np.ptp(expected)


def test_the_order_of_the_nodes_does_not_matter(folded: tf.compat.v1.GraphDef, images: Array, run: Runner) -> None:
    backwards = tf.compat.v1.GraphDef(node=reversed(folded.node), versions=folded.versions)
    converted = convert_to_bfloat16(backwards, OUTPUT_NAME)
    assert list_types(converted, "MatMul") == {FLOAT32}
    np.testing.assert_array_equal(run(converted, images), run(convert_to_bfloat16(folded, OUTPUT_NAME), images))


def test_a_kernel_that_two_convolutions_share_is_rounded_once(run: Runner) -> None:
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, 4, 4, 2], name="images")
        kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 2, 2)).astype(np.float32), name="kernel")
        once = tf.nn.conv2d(images, kernel, 1, "SAME")
        tf.reduce_mean(tf.nn.conv2d(once, kernel, 1, "SAME"), [1, 2], name="out")
    graph_def = graph.as_graph_def()
    converted = convert_to_bfloat16(graph_def, "out")
    kernels = [node.input[1] for node in converted.node if node.op == "Conv2D"]
    assert kernels == ["kernel/bfloat16"] * 2
    pixels = np.random.default_rng(1).normal(size=(1, 4, 4, 2)).astype(np.float32)
    expected = run(graph_def, pixels, "out", "images")
    np.testing.assert_allclose(
        run(converted, pixels, "out", "images"), expected, atol=4 * ROUNDING * float(np.ptp(expected))
    )


def test_the_given_graph_stays_as_it_was(folded: tf.compat.v1.GraphDef) -> None:
    before = EditableGraph(folded).pruned(OUTPUT_NAME).SerializeToString(deterministic=True)
    convert_to_bfloat16(folded, OUTPUT_NAME)
    assert folded.SerializeToString(deterministic=True) == before
