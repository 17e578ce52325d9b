"""What TensorFlow's graph optimizer (Grappler) is left to do for a graph that is folded already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet_fixtures.graph.edit import CONSTANTS, node_name

if TYPE_CHECKING:
    import tensorflow as tf
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

FUSIBLE = frozenset({"Conv2D", "DepthwiseConv2dNative", "MatMul"})  # the remapper joins these with what follows
# What a folded ResNet-50 consists of: of these nothing can be simplified, only fused.
PLAIN = FUSIBLE | {"Add", "AddV2", "AvgPool", "BiasAdd", "Cast", "Const", "MaxPool", "Mean", "Pad", "Placeholder",
                   "Relu", "Reshape", "Softmax", "Squeeze"}  # fmt: skip


def limit_optimizer(rewrites: RewriterConfig, graph_def: tf.compat.v1.GraphDef) -> None:
    """Turn off what would find nothing; steps are as fast without it, and a session is ready sooner.

    The optimizer passes once over the graph: a second pass takes 0.8 s and finds nothing. An int8 graph that is fused
    already goes past it, which would search for 3 s. Of a plain graph only the remapper is left, whose result is the
    same to the last bit: 0.6 to 1.1 s instead of 1.4 to 2.2.
    """
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

    operations = {node.op for node in graph_def.node}
    is_foldable = _has_foldable(graph_def)
    rewrites.meta_optimizer_iterations = RewriterConfig.ONE
    rewrites.disable_meta_optimizer = not (operations & FUSIBLE or is_foldable)
    if is_foldable or not operations <= PLAIN:
        return
    remapping = rewrites.remapping
    for field in RewriterConfig.DESCRIPTOR.fields:
        if field.enum_type is not None and field.enum_type.name == "Toggle":
            setattr(rewrites, field.name, RewriterConfig.OFF)
    rewrites.memory_optimization = RewriterConfig.NO_MEM_OPT
    rewrites.remapping = remapping


def _has_foldable(graph_def: tf.compat.v1.GraphDef) -> bool:
    """Tell whether an operation depends on constants alone."""
    constants = {node.name for node in graph_def.node if node.op in CONSTANTS}
    return any(node.input and constants.issuperset(map(node_name, node.input)) for node in graph_def.node)
