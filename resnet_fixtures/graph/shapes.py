"""Infer the shape of every tensor for one image, without letting TensorFlow allocate what no check has seen."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.edit import node_name, sort_levels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import tensorflow as tf
    from tensorflow.core.framework.node_def_pb2 import NodeDef
    from tensorflow.core.framework.versions_pb2 import VersionDef

MAX_TENSOR_BYTES = 1 << 30  # ResNet-50's largest tensor takes 3 MiB an image
MAX_GRAPH_BYTES = 4 << 30  # of all tensors together, for one image; an fp32 graph before any folding makes 254 MiB


class TensorType(NamedTuple):
    """Shape and data type (a DataType enum value) of a node's first output."""

    shape: tuple[int, ...]
    data_type: int


def infer_types(graph_def: tf.compat.v1.GraphDef, origin: str) -> dict[str, TensorType]:
    """Return the first output of every node by the node's name; the placeholders' shapes must be known.

    TensorFlow evaluates constant parts of a graph while it infers shapes, whatever their size: a graph of 600 bytes
    made it allocate 3 GB. So the graph is imported level by level, and a level's sizes are checked before anything
    reads it. InputError for a tensor over MAX_TENSOR_BYTES, one whose size depends on the image's content, or a node
    that TensorFlow refuses.
    """
    import tensorflow as tf

    operations: dict[str, tf.Operation] = {}
    total_bytes = 0
    with tf.Graph().as_default():
        for nodes in sort_levels(graph_def.node):
            operations.update(_import_level(nodes, operations, graph_def.versions, origin))
            for node in nodes:
                total_bytes += _count_bytes(node, operations[node.name].outputs, origin)
                if total_bytes > MAX_GRAPH_BYTES:
                    raise InputError(
                        f"{origin}: up to node {node.name} one image takes over 4 GiB: pass another graph."
                    )
        return {
            name: TensorType(tuple(operation.outputs[0].shape), operation.outputs[0].dtype.as_datatype_enum)
            for name, operation in operations.items()
            if operation.outputs
        }


def _import_level(
    nodes: Sequence[NodeDef], operations: Mapping[str, tf.Operation], versions: VersionDef, origin: str
) -> dict[str, tf.Operation]:
    import tensorflow as tf

    part = tf.compat.v1.GraphDef(versions=versions)
    part.node.extend(nodes)
    for node in part.node:
        if node.op == "HostConst":
            node.op = "Const"  # the same value, with a shape
    names = [node.name for node in nodes]
    try:
        read = {reference: _output(operations, reference) for node in nodes for reference in node.input}
        return dict(zip(names, tf.graph_util.import_graph_def(part, read, names, name=""), strict=True))
    except (ValueError, TypeError, IndexError, tf.errors.OpError) as error:
        reason = first_line(error)
        message = f"{origin}: TensorFlow {tf.__version__} cannot take this graph ({reason}): pass one frozen for it."
        raise InputError(message) from error


def _output(operations: Mapping[str, tf.Operation], reference: str) -> tf.Tensor:
    outputs = operations[node_name(reference)].outputs
    index = reference.partition(":")[2] or "0"
    if not index.isdecimal() or int(index) >= len(outputs):
        raise ValueError(f"there is no {reference[:100]!r}")
    return outputs[int(index)]


def _count_bytes(node: NodeDef, outputs: Sequence[tf.Tensor], origin: str) -> int:
    """Add up the outputs that have a known size: all but a batch norm's reserve, for training and never read."""
    total_bytes = 0
    for index, tensor in enumerate(outputs):
        if not tensor.shape.is_fully_defined():
            if index > 2 and node.op.startswith("FusedBatchNorm"):
                continue
            reason = f"the size of node {node.name} depends on more than the image's size"
            raise InputError(f"{origin}: {reason}: pass an image classifier's graph.")
        size_bytes = math.prod(tensor.shape) * tensor.dtype.size
        if size_bytes > MAX_TENSOR_BYTES:
            message = f"{origin}: node {node.name} makes a tensor of {tensor.shape}, over 1 GiB an image"
            raise InputError(f"{message}: pass another graph.")
        total_bytes += size_bytes
    return total_bytes


def first_line(error: BaseException) -> str:
    """Return what TensorFlow says, without line breaks, control characters or lengths that no terminal should see."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"[^ -~]", "?", line)[:300]
