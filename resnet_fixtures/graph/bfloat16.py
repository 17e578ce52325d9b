"""Rewrite a folded fp32 graph so that its convolutions compute in bfloat16.

From the input's cast to the average pool everything is bfloat16; pooling, the dense layer and the softmax stay
float32. Batch norms are folded before, so that the kernels are rounded once and convolution, bias, sum and ReLU still
fuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet_fixtures.graph.edit import BFLOAT16, FLOAT32, EditableGraph, node_name, sort_levels

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from tensorflow.core.framework.node_def_pb2 import NodeDef

CONVOLUTIONAL_OPS = frozenset({"Conv2D", "BiasAdd", "Relu", "AddV2", "Add", "Pad", "MaxPool"})


def convert_to_bfloat16(graph_def: tf.compat.v1.GraphDef, output: str) -> tf.compat.v1.GraphDef:
    """Return the graph with bfloat16 kernels, biases and activations."""
    graph = EditableGraph(graph_def)
    rewritten = _convolutional_part(graph)
    casts: dict[str, str] = {}
    for node in list(graph.nodes.values()):
        if node.name in rewritten:
            _convert_node(graph, node, rewritten, casts)
        else:
            _cast_inputs(graph, node, rewritten, casts)
    return graph.pruned(output)


def _convolutional_part(graph: EditableGraph) -> Collection[str]:
    """Name the nodes of the convolutional ops that do not come after the pooling."""
    pooled: set[str] = set()
    for nodes in sort_levels(graph.nodes.values()):
        for node in nodes:
            if node.op in ("Mean", "MatMul") or any(node_name(reference) in pooled for reference in node.input):
                pooled.add(node.name)
    return {node.name for node in graph.nodes.values() if node.op in CONVOLUTIONAL_OPS} - pooled


def _convert_node(graph: EditableGraph, node: NodeDef, rewritten: Collection[str], casts: dict[str, str]) -> None:
    node.attr["T"].type = BFLOAT16
    data_inputs = node.input[:1] if node.op == "Pad" else node.input  # a padding's amounts stay integers
    for index, reference in enumerate(data_inputs):
        if node_name(reference) not in rewritten:
            if reference not in casts:
                casts[reference] = _as_bfloat16(graph, reference)
            node.input[index] = casts[reference]


def _as_bfloat16(graph: EditableGraph, reference: str) -> str:
    import tensorflow as tf

    name = f"{node_name(reference)}/bfloat16"
    value = graph.constant(reference)
    if value is not None:
        return graph.add_constant(name, value.astype(tf.bfloat16.as_numpy_dtype))
    return str(graph.add(name, "Cast", [reference], SrcT=FLOAT32, DstT=BFLOAT16).name)


def _cast_inputs(graph: EditableGraph, node: NodeDef, rewritten: Collection[str], casts: dict[str, str]) -> None:
    for index, reference in enumerate(node.input):
        if node_name(reference) in rewritten:
            if reference not in casts:
                name = f"{node_name(reference)}/float32"
                casts[reference] = graph.add(name, "Cast", [reference], SrcT=BFLOAT16, DstT=FLOAT32).name
            node.input[index] = casts[reference]
