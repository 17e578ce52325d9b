from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

from resnet_fixtures.graph.constants import fold_constants
from resnet_fixtures.graph.edit import EditableGraph
from tests.plugin.lazy_tensorflow import tf

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = np.array([[0.5, 2.0, 3.0]], np.float32)
OTHER = np.array([[4.0], [0.25]], np.float32)


def fold(build: Callable[[], tf.Tensor]) -> tuple[EditableGraph, str]:
    with tf.Graph().as_default() as graph:
        result = build()
    editable = EditableGraph(graph.as_graph_def())
    fold_constants(editable)
    return editable, result.op.name


def evaluate(build: Callable[[], tf.Tensor]) -> npt.NDArray[np.float32]:
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        result: npt.NDArray[np.float32] = session.run(build())
        return result


BUILDS: dict[str, Callable[[], tf.Tensor]] = {
    "add": lambda: tf.raw_ops.Add(x=ONE, y=OTHER),
    "add v2": lambda: tf.raw_ops.AddV2(x=ONE, y=OTHER),
    "subtract": lambda: tf.raw_ops.Sub(x=ONE, y=OTHER),
    "multiply": lambda: tf.raw_ops.Mul(x=ONE, y=OTHER),
    "divide": lambda: tf.raw_ops.RealDiv(x=ONE, y=OTHER),
    "negate": lambda: tf.raw_ops.Neg(x=ONE),
    "root": lambda: tf.raw_ops.Sqrt(x=ONE),
    "reciprocal root": lambda: tf.raw_ops.Rsqrt(x=ONE),
    "square": lambda: tf.raw_ops.Square(x=ONE),
    "reshape": lambda: tf.raw_ops.Reshape(tensor=ONE, shape=[-1, 1]),
    "squeeze": lambda: tf.raw_ops.Squeeze(input=tf.constant(ONE[None]), axis=[0]),
    "squeeze all": lambda: tf.raw_ops.Squeeze(input=tf.constant(ONE[None])),
    "batch norm": lambda: tf.constant(ONE) * tf.math.rsqrt(tf.constant(OTHER) + 1e-3),
}


@pytest.mark.parametrize("name", BUILDS)
def test_arithmetic_on_constants_becomes_its_value(name: str) -> None:
    graph, result = fold(BUILDS[name])
    value = graph.constant(result)
    assert value is not None
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, evaluate(BUILDS[name]), rtol=3e-7, strict=True)


def test_the_order_of_the_nodes_does_not_matter() -> None:
    with tf.Graph().as_default() as graph:
        result = (tf.constant(ONE) + tf.constant(OTHER)) * 2.0
    graph_def = tf.compat.v1.GraphDef(node=reversed(graph.as_graph_def().node))
    editable = EditableGraph(graph_def)
    fold_constants(editable)
    np.testing.assert_array_equal(editable.constant(result.op.name), (ONE + OTHER) * 2)


def test_what_depends_on_the_images_stays() -> None:
    graph, result = fold(lambda: tf.compat.v1.placeholder(tf.float32, [None, 3]) * (tf.constant(ONE) + 1.0))
    assert graph.nodes[result].op == "Mul"
    np.testing.assert_array_equal(graph.constant(graph.nodes[result].input[1]), ONE + 1)


@pytest.mark.parametrize("dtype", [np.int32, np.float64, np.float16])
def test_other_types_stay(dtype: type[np.generic]) -> None:
    graph, result = fold(lambda: tf.constant(np.ones(3, dtype)) + tf.constant(np.ones(3, dtype)))
    assert graph.nodes[result].op == "AddV2"


def test_broken_weights_are_folded_silently() -> None:
    graph, result = fold(lambda: tf.math.rsqrt(tf.constant([-1.0, 0.0])))
    value = graph.constant(result)
    assert value is not None
    assert np.isnan(value[0])
    assert np.isinf(value[1])
