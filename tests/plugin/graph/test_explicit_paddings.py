from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.graph.edit import EditableGraph, strip_annotations
from resnet_fixtures.graph.explicit_paddings import unfold_paddings
from tests.plugin.lazy_tensorflow import GraphDef, tf

if TYPE_CHECKING:
    from tests.plugin.graph.conftest import Runner

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(3, 3, 3, 4)).astype(np.float32)
PIXELS = RNG.normal(size=(2, 8, 8, 3)).astype(np.float32)


def convolve(padding: list[list[int]] | str, data_format: str = "NHWC") -> GraphDef:
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], name="images")
        if data_format == "NCHW":
            images = tf.transpose(images, [0, 3, 1, 2])
        strides = [1, 2, 2, 1] if data_format == "NHWC" else [1, 1, 2, 2]
        tf.nn.conv2d(images, KERNEL, strides, padding, data_format, name="out")
    graph_def = graph.as_graph_def()
    strip_annotations(graph_def)
    return graph_def


def unfold(graph_def: GraphDef) -> GraphDef:
    graph = EditableGraph(graph_def)
    unfold_paddings(graph)
    return graph.pruned("out")


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("rows", [(1, 1), (0, 2), (3, 0)])
def test_the_result_stays_the_same_to_the_last_bit(run: Runner, rows: tuple[int, int], data_format: str) -> None:
    spatial = [list(rows), [1, 2]]
    raw = convolve([[0, 0], *spatial, [0, 0]] if data_format == "NHWC" else [[0, 0], [0, 0], *spatial], data_format)
    unfolded = unfold(raw)
    convolution = next(node for node in unfolded.node if node.op == "Conv2D")
    assert (convolution.attr["padding"].s, "explicit_paddings" in convolution.attr) == (b"VALID", False)
    assert sum(node.op == "Pad" for node in unfolded.node) == 1
    np.testing.assert_array_equal(run(unfolded, PIXELS, "out", "images"), run(raw, PIXELS, "out", "images"))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_other_paddings_stay(padding: str) -> None:
    raw = convolve(padding)
    assert unfold(raw) == raw
