from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.graph.edit import EditableGraph
from resnet_fixtures.graph.freeze import INPUT_NAME, OUTPUT_NAME, FrozenLayers, freeze
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights

if TYPE_CHECKING:
    import tensorflow as tf

    from resnet_fixtures.graph.weights import Weight
    from tests.plugin.graph.conftest import Array, Runner


def test_names_are_the_published_graphs_own() -> None:
    assert (INPUT_NAME, OUTPUT_NAME) == ("input_tensor", "softmax_tensor")


def test_the_graph_holds_only_what_inference_needs(fp32_graph: tf.compat.v1.GraphDef) -> None:
    operations = Counter(node.op for node in fp32_graph.node)
    assert operations.pop("Const") == 53 * 5 + 2 + 18 + 1  # weights, dense, paddings (17 and the pool's), axes
    assert operations == {
        "Placeholder": 1, "Pad": 18, "Conv2D": 53, "FusedBatchNormV3": 53, "Relu": 49, "MaxPool": 1, "AddV2": 16,
        "Mean": 1, "MatMul": 1, "BiasAdd": 1, "Softmax": 1,
    }  # fmt: skip
    assert not fp32_graph.library.function


def test_the_batch_is_open_and_the_image_size_is_not(fp32_graph: tf.compat.v1.GraphDef) -> None:
    placeholder = EditableGraph(fp32_graph).nodes[INPUT_NAME]
    assert [dimension.size for dimension in placeholder.attr["shape"].shape.dim] == [-1, 32, 32, 3]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_probabilities_come_out(fp32_graph: tf.compat.v1.GraphDef, images: Array, run: Runner, batch_size: int) -> None:
    probabilities = run(fp32_graph, images[:batch_size])
    assert probabilities.shape == (batch_size, 11)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_images_do_not_mix(fp32_graph: tf.compat.v1.GraphDef, images: Array, run: Runner) -> None:
    together = run(fp32_graph, images, "dense/logits")
    alone = run(fp32_graph, images[1:2], "dense/logits")
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5 * float(np.ptp(together)))


def test_each_weight_is_asked_for_once_and_stored_as_it_is() -> None:
    asked: list[str] = []
    draw = random_weights(7)

    def look_up(name: str, shape: tuple[int, ...]) -> Weight:
        asked.append(name)
        return draw(name, shape)

    graph = EditableGraph(freeze(Architecture(4, 5, 32), look_up))
    assert len(asked) == len(set(asked)) == 53 * 5 + 2
    for name in ("conv1/kernel", "stage3/block1/projection/variance", "dense/bias"):
        value = graph.constant(name)
        assert value is not None
        np.testing.assert_array_equal(value, draw(name, value.shape))


def test_a_batch_norm_normalises_by_its_stored_statistics(run: Runner) -> None:
    import tensorflow as tf

    weights = {
        "layer/kernel": np.full((1, 1, 1, 1), 2.0, np.float32),
        "layer/gamma": np.array([3.0], np.float32),
        "layer/beta": np.array([0.5], np.float32),
        "layer/mean": np.array([1.0], np.float32),
        "layer/variance": np.array([4.0], np.float32),
    }
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, 1, 1, 1], name="images")
        FrozenLayers(lambda name, _: weights[name]).convolution(images, "layer", 1, 1, 1, relu=True)
    pixels = np.array([2.0, -9.0], np.float32).reshape(2, 1, 1, 1)
    result = run(graph.as_graph_def(), pixels, "layer/relu", "images")
    np.testing.assert_allclose(result.ravel(), [3 * (2 * 2 - 1) / np.sqrt(4 + 1e-5) + 0.5, 0], rtol=1e-5)


def test_a_pool_pads_with_zeros_and_takes_maxima(run: Runner) -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, 4, 4, 1], name="images")
        FrozenLayers(random_weights(0)).max_pool(images)
    pixels = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert run(graph.as_graph_def(), pixels, "max_pool", "images").ravel().tolist() == [5, 7, 13, 15]
    assert run(graph.as_graph_def(), pixels - 99, "max_pool", "images").max() == 0
