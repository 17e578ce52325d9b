from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.graph.edit import EditableGraph
from resnet_fixtures.graph.freeze import OUTPUT_NAME
from resnet_fixtures.graph.quantized_paddings import fold_quantized_paddings
from tests.plugin.lazy_tensorflow import tf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.plugin.graph.conftest import Array, Runner

RNG = np.random.default_rng(0)
PIXELS = RNG.uniform(-1, 1, (2, 6, 6, 4)).astype(np.float32)


def pad_between(graph: EditableGraph) -> list[Any]:
    """List the paddings that stand between floats."""
    return [node for node in graph.of_type("Pad") if node.attr["T"].type == tf.float32.as_datatype_enum]


@pytest.fixture
def folded(int8_graph: tf.compat.v1.GraphDef) -> EditableGraph:
    graph = EditableGraph(int8_graph)
    fold_quantized_paddings(graph)
    return EditableGraph(graph.pruned(OUTPUT_NAME))


def test_the_tool_leaves_a_padding_in_float_before_each_strided_convolution(int8_graph: tf.compat.v1.GraphDef) -> None:
    """What is to be folded is really there: the first convolution, the pool, and one block of stages 3 to 5."""
    assert len(pad_between(EditableGraph(int8_graph))) == 5


def test_no_padding_leaves_int8(folded: EditableGraph) -> None:
    operations = Counter(node.op for node in folded.nodes.values())
    assert not pad_between(folded)
    assert operations["QuantizeV2"] == 2  # the images, and the pooled features before the dense layer
    assert operations["Dequantize"] == 1  # the features before the pooling
    assert operations["Pad"] == 1  # the pool's, of bytes


def test_each_strided_convolution_pads_by_itself(folded: EditableGraph) -> None:
    paddings = [list(node.attr["padding_list"].list.i) for node in folded.of_type("QuantizedConv2D")]
    assert sorted(amounts for amounts in paddings if any(amounts)) == [[0, 0, 1, 1, 1, 1, 0, 0]] * 3 + [
        [0, 0, 3, 3, 3, 3, 0, 0]
    ]


def test_results_stay_the_same_to_the_last_bit(
    int8_graph: tf.compat.v1.GraphDef, folded: EditableGraph, images: Array, run: Runner
) -> None:
    np.testing.assert_array_equal(run(folded.pruned(OUTPUT_NAME), images), run(int8_graph, images))


class Chain:
    """Two quantized convolutions with Dequantize, Pad and QuantizeV2 between them; the result is named `out`."""

    def __init__(
        self,
        mode: str = "SCALED",
        requantized_to: float = 6.0,
        paddings: Sequence[Sequence[int]] = ((0, 0), (1, 1), (1, 1), (0, 0)),
        pad_list: Sequence[int] = (),
    ) -> None:
        with tf.Graph().as_default() as graph:
            images = tf.compat.v1.placeholder(tf.float32, [None, 6, 6, 4], name="images")
            quantized = tf.raw_ops.QuantizeV2(input=images, min_range=-1.0, max_range=1.0, T=tf.qint8, mode="SCALED")
            first = self._convolve(quantized, requantized_to, ())
            floats = tf.raw_ops.Dequantize(input=first[0], min_range=first[1], max_range=first[2], mode="SCALED")
            padded = tf.pad(floats, paddings)
            again = tf.raw_ops.QuantizeV2(input=padded, min_range=0.0, max_range=6.0, T=tf.quint8, mode=mode)
            second = self._convolve(again, 20.0, pad_list)
            result = tf.raw_ops.Dequantize(input=second[0], min_range=second[1], max_range=second[2], mode="SCALED")
            tf.identity(result, name="out")
        self.raw = graph.as_graph_def()

    def fold(self) -> tf.compat.v1.GraphDef:
        graph = EditableGraph(self.raw)
        fold_quantized_paddings(graph)
        return graph.pruned("out")

    @staticmethod
    def _convolve(quantized: Any, largest: float, pad_list: Any) -> Any:
        kernel = tf.bitcast(tf.constant(np.arange(-72, 72).reshape(3, 3, 4, 4).astype(np.int8)), tf.qint8)
        return tf.raw_ops.QuantizedConv2DWithBiasAndReluAndRequantize(
            input=quantized[0], filter=kernel, bias=np.zeros(4, np.float32), min_input=quantized[1],
            max_input=quantized[2], min_filter=np.full(4, -0.5, np.float32), max_filter=np.full(4, 0.5, np.float32),
            min_freezed_output=0.0, max_freezed_output=largest, out_type=tf.quint8, strides=[1, 1, 1, 1],
            padding="VALID", padding_list=list(pad_list),
        )  # fmt: skip


def count(graph_def: tf.compat.v1.GraphDef, op: str) -> int:
    return sum(node.op == op for node in graph_def.node)


def test_equal_ranges_take_the_whole_detour_out(run: Runner) -> None:
    chain = Chain()
    folded = chain.fold()
    assert [count(folded, op) for op in ("Pad", "QuantizeV2", "Dequantize")] == [0, 1, 1]
    np.testing.assert_array_equal(run(folded, PIXELS, "out", "images"), run(chain.raw, PIXELS, "out", "images"))


def test_unequal_ranges_keep_the_requantization_and_lose_the_padding(run: Runner) -> None:
    chain = Chain(requantized_to=5.0)
    folded = chain.fold()
    assert [count(folded, op) for op in ("Pad", "QuantizeV2", "Dequantize")] == [0, 2, 2]
    np.testing.assert_array_equal(run(folded, PIXELS, "out", "images"), run(chain.raw, PIXELS, "out", "images"))


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "MIN_FIRST"},
        {"pad_list": [0, 0, 1, 1, 1, 1, 0, 0]},
        {"paddings": [[1, 0], [1, 1], [1, 1], [0, 0]]},
    ],
    ids=["zero is another number", "pads already", "pads the batch"],
)
def test_other_paddings_are_left_alone(options: dict[str, Any]) -> None:
    chain = Chain(**options)
    folded = chain.fold()
    assert [count(folded, op) for op in ("Pad", "QuantizeV2", "Dequantize")] == [1, 2, 2]
