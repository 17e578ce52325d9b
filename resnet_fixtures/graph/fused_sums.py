"""Refuse fused sums of unlike shapes, which TensorFlow's kernels would add beyond the memory of the smaller one.

A convolution that adds a residual compares it with nothing. Shapes are inferred for one image, so it is followed as
well which tensors grow with the batch: a constant of one image's shape would be too small for two.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.edit import EditableGraph, attribute, node_name, sort_levels

if TYPE_CHECKING:
    from collections.abc import Mapping

    import tensorflow as tf
    from tensorflow.core.framework.node_def_pb2 import NodeDef

    from resnet_fixtures.graph.shapes import TensorType

# Operations that keep the first dimension, by what their other dimensions depend on beside the attributes.
SHAPED_BY_FIRST = frozenset(
    """
    Abs AvgPool BatchNormWithGlobalNormalization BiasAdd BiasAddV1 Bitcast Cast Dequantize Elu FakeQuantWithMinMaxVars
    FakeQuantWithMinMaxVarsPerChannel FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Identity LeakyRelu MaxPool Neg
    QuantizeV2 QuantizedAvgPool QuantizedBiasAdd QuantizedMaxPool QuantizedRelu Relu Relu6 Requantize Rsqrt Sigmoid Sqrt
    Square StopGradient Tanh
    """.split()  # noqa: SIM905 - a list of strings would be three times as long
)
SHAPED_BY_TWO = ("Conv2D", "DepthwiseConv2dNative", "Pad", "PadV2", "_FusedConv2D")
SHAPED_BY_TWO_PREFIXES = ("QuantizedConv2D", "QuantizedDepthwiseConv2D", "_FusedQuantizedConv2D")
REDUCTIONS = ("Max", "Mean", "Min", "Prod", "Sum")
ELEMENTWISE = ("Add", "AddV2", "Div", "Maximum", "Minimum", "Mul", "QuantizedAdd", "RealDiv", "Sub")


CRASHING = "_FusedQuantizedConv2D"  # in TensorFlow 2.21 its sum ends the process, whatever the shapes


class Growth(Enum):
    """How a node's first output grows with the number of images."""

    NONE = auto()  # its shape is always the same
    FIRST = auto()  # its first dimension is the number of images, the others are always the same
    UNKNOWN = auto()


def check_sums(graph_def: tf.compat.v1.GraphDef, types: Mapping[str, TensorType], origin: str) -> None:
    """Raise an InputError for a fused sum that is not sure to add like to like, whatever the number of images.

    `types` are the graph's for one image.
    """
    graph = EditableGraph(graph_def)
    growths: dict[str, Growth] = {}
    for nodes in sort_levels(graph_def.node):
        for node in nodes:
            growths[node.name] = _find_growth(graph, node, growths, types)
            index = _summand_index(node)
            if index is not None:
                _check_sum(node, index, growths, types, origin)


def _summand_index(node: NodeDef) -> int | None:
    """Return which input a fused operation adds; None where it adds none."""
    if node.op.startswith("Quantized") and "Sum" in node.op:
        return 9 if node.op.endswith("AndRequantize") else 7
    fused = attribute(node, "fused_ops").list.s
    return 2 + (b"BiasAdd" in fused) if b"Add" in fused or b"Sum" in fused else None


def _check_sum(
    node: NodeDef, index: int, growths: Mapping[str, Growth], types: Mapping[str, TensorType], origin: str
) -> None:
    if node.op == CRASHING:
        cure = "quantize the fp32 graph with `python -m resnet_fixtures.graph.quantize`"
        raise InputError(f"{origin}: node {node.name} is a sum in {CRASHING}, which ends TensorFlow's process: {cure}.")
    cure = "pass a graph that adds tensors of one shape"
    summand = node.input[index] if index < len(node.input) else ""
    if node_name(summand) not in types or not _is_first_output(summand):
        raise InputError(f"{origin}: node {node.name} has nothing to add, though it is a sum: {cure}.")
    shape, other = types[node.name].shape, types[node_name(summand)].shape
    if shape != other:
        raise InputError(f"{origin}: node {node.name} adds {list(other)} to {list(shape)} for one image: {cure}.")
    growth = _growth_of(summand, growths)
    if growth is Growth.UNKNOWN or growth is not growths[node.name]:
        reason = f"adds {node_name(summand)}, which need not grow with the number of images as it does itself"
        raise InputError(f"{origin}: node {node.name} {reason}: {cure}.")


def _find_growth(
    graph: EditableGraph, node: NodeDef, growths: Mapping[str, Growth], types: Mapping[str, TensorType]
) -> Growth:
    """Follow the growth from a node's inputs to its output; UNKNOWN for operations that may move dimensions."""
    if node.op == "Placeholder":
        return Growth.FIRST
    inputs = [_growth_of(reference, growths) for reference in node.input]
    if all(growth is Growth.NONE for growth in inputs):
        return Growth.NONE
    if types[node.name].shape[:1] != (1,):
        return Growth.UNKNOWN
    if node.op in SHAPED_BY_FIRST:
        return inputs[0]
    if node.op in SHAPED_BY_TWO or node.op.startswith(SHAPED_BY_TWO_PREFIXES):
        return inputs[0] if inputs[1] is Growth.NONE else Growth.UNKNOWN
    if node.op in REDUCTIONS:
        return inputs[0] if _keeps_first(graph, node, types) else Growth.UNKNOWN
    if node.op in ELEMENTWISE:
        return _join_growths(node, inputs[:2], types)
    return Growth.UNKNOWN


def _growth_of(reference: str, growths: Mapping[str, Growth]) -> Growth:
    growth = growths[node_name(reference)]
    return growth if growth is Growth.NONE or _is_first_output(reference) else Growth.UNKNOWN


def _is_first_output(reference: str) -> bool:
    return reference.partition(":")[2] in ("", "0")


def _keeps_first(graph: EditableGraph, node: NodeDef, types: Mapping[str, TensorType]) -> bool:
    """Tell whether a reduction goes over constant dimensions, and not over the images."""
    axes = graph.constant(node.input[1])
    return axes is not None and not (axes % len(types[node_name(node.input[0])].shape) == 0).any()


def _join_growths(node: NodeDef, inputs: list[Growth], types: Mapping[str, TensorType]) -> Growth:
    """Join two operands: where a growing one has the result's rank, broadcasting leaves its dimensions in place."""
    ranks = [len(types[node_name(reference)].shape) for reference in node.input[:2]]
    growing = {rank for growth, rank in zip(inputs, ranks, strict=True) if growth is Growth.FIRST}
    if Growth.UNKNOWN in inputs or growing - {len(types[node.name].shape)}:
        return Growth.UNKNOWN
    return Growth.FIRST if growing else Growth.NONE
