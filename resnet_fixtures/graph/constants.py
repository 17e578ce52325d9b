"""Compute what depends on constants alone, such as Keras' `gamma / sqrt(variance + epsilon)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_fixtures.graph.edit import attribute, sort_levels

if TYPE_CHECKING:
    from collections.abc import Callable

    from tensorflow.core.framework.node_def_pb2 import NodeDef

    from resnet_fixtures.graph.edit import EditableGraph

Array = npt.NDArray[Any]


def _rsqrt(value: Array) -> Array:
    return np.reciprocal(np.sqrt(value))


def _reshape(value: Array, shape: Array) -> Array:
    return value.reshape(tuple(shape))


def _squeeze(node: NodeDef, value: Array) -> Array:
    return np.squeeze(value, tuple(attribute(node, "squeeze_dims").list.i) or None)


ARITHMETIC: dict[str, Callable[..., Array]] = {
    "Add": np.add, "AddV2": np.add, "Sub": np.subtract, "Mul": np.multiply, "RealDiv": np.divide, "Neg": np.negative,
    "Sqrt": np.sqrt, "Rsqrt": _rsqrt, "Square": np.square, "Reshape": _reshape,
}  # fmt: skip


def fold_constants(graph: EditableGraph) -> None:
    """Replace float32 arithmetic on constants by its value; the graph's shapes have been checked."""
    for nodes in sort_levels(graph.nodes.values()):
        for node in nodes:
            if node.op in ARITHMETIC or node.op == "Squeeze":
                _fold(graph, node)


def _fold(graph: EditableGraph, node: NodeDef) -> None:
    values = []
    for reference in node.input:
        value = graph.constant(reference)
        if value is None:
            return
        values.append(value)
    if values[0].dtype == np.float32:
        with np.errstate(all="ignore"):  # as TensorFlow: infinities and NaNs are the graph's own affair
            value = _squeeze(node, *values) if node.op == "Squeeze" else ARITHMETIC[node.op](*values)
        graph.replace_by_constant(node.name, np.asarray(value, np.float32))
