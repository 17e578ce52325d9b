"""Find a frozen graph's input, output and precision from the graph itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.edit import BFLOAT16, FLOAT32, EditableGraph, attribute, node_name
from resnet_fixtures.graph.freeze import OUTPUT_NAME
from resnet_fixtures.graph.fused_sums import check_sums
from resnet_fixtures.graph.shapes import infer_types
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tensorflow as tf
    from tensorflow.core.framework.node_def_pb2 import NodeDef

MAX_IMAGE_SIZE = 2048  # pixels a side
DEFAULT_IMAGE_SIZE = 224  # for a placeholder that leaves its size open
FLOATS = (FLOAT32, BFLOAT16, 19)  # 19: tensorflow.DataType.DT_HALF
SHAPERS = frozenset({"Identity", "StopGradient", "Cast", "Reshape", "Squeeze"})  # leave probabilities what they are


class Interface(NamedTuple):
    """Node names of input and output, pixels of an image's side, number of classes, and the output's DataType."""

    input_name: str
    output_name: str
    image_size: int
    classes: int
    output_type: int


def find_interface(graph_def: tf.compat.v1.GraphDef, origin: str) -> Interface:
    """Return the one image placeholder and the one output that leads to classes; InputError where that is not clear.

    `graph_def` has passed `check_graph`. Shapes are inferred for one image; no tensor is computed.
    """
    graph = EditableGraph(graph_def)
    output_name = _find_output(graph, origin)
    if not graph_def.HasField("versions") and not is_probability(graph, output_name):
        reason = f"ends in {output_name}, which is no Softmax, and its last record (versions) is missing"
        raise InputError(f"{origin} {reason}: the file is truncated; fetch it again.")
    needed = graph.pruned(output_name)
    placeholder = _find_input(needed.node, output_name, origin)
    image_size = _read_image_size(placeholder, origin)
    set_image_shape(placeholder, 1, image_size)
    types = infer_types(needed, origin)
    check_sums(needed, types, origin)
    output = types[output_name]
    if len(output.shape) != 2 or output.shape[0] != 1 or output.shape[1] < 2 or output.data_type not in FLOATS:
        found = f"output {output_name} has the shape {list(output.shape)} for one image"
        raise InputError(f"{origin}: {found}, not [1, classes] of floats: pass an image classifier's graph.")
    return Interface(placeholder.name, output_name, image_size, output.shape[1], output.data_type)


def find_precision(graph_def: tf.compat.v1.GraphDef) -> Precision | None:
    """Return what the convolutions compute in, or None for a graph without convolutions."""
    convolutions = [node for node in graph_def.node if "Conv2D" in node.op]
    if any("Quantized" in node.op for node in convolutions):
        return Precision.INT8
    if any(node.op.startswith("FakeQuant") or node.op == "QuantizeV2" for node in graph_def.node) and convolutions:
        return Precision.INT8
    if any(attribute(node, "T").type == BFLOAT16 for node in convolutions):
        return Precision.BF16
    return Precision.FP32 if convolutions else None


def is_probability(graph: EditableGraph, output_name: str) -> bool:
    """Tell whether a node holds what a Softmax gave."""
    node = graph.nodes[output_name]
    while node.op in SHAPERS and node.input:
        node = graph.producer(node.input[0])
    return bool(node.op == "Softmax")


def set_image_shape(placeholder: NodeDef, images: int, image_size: int) -> None:
    """Let a placeholder take [images, S, S, 3]; -1 images leave the batch open."""
    placeholder.attr["shape"].shape.unknown_rank = False
    del placeholder.attr["shape"].shape.dim[:]
    for size in (images, image_size, image_size, 3):
        placeholder.attr["shape"].shape.dim.add(size=size)


def _find_input(nodes: Sequence[NodeDef], output_name: str, origin: str) -> NodeDef:
    placeholders = [node for node in nodes if node.op == "Placeholder"]
    if len(placeholders) != 1:
        found = ", ".join(node.name for node in placeholders) or "none"
        raise InputError(
            f"{origin}: placeholders that {output_name} needs: {found}: pass a graph with one, the images."
        )
    return placeholders[0]


def _read_image_size(placeholder: NodeDef, origin: str) -> int:
    sizes = [dimension.size for dimension in attribute(placeholder, "shape").shape.dim]
    if attribute(placeholder, "dtype").type != FLOAT32:
        raise InputError(f"{origin}: input {placeholder.name} takes no float32: pass a graph of preprocessed images.")
    if len(sizes) != 4 or sizes[3] != 3 or sizes[1] != sizes[2]:
        found = f"input {placeholder.name} has the shape {sizes[:8]}, not [N, S, S, 3]"
        raise InputError(f"{origin}: {found}: pass a graph that takes NHWC images.")
    if sizes[1] == 0 or sizes[1] < -1 or sizes[1] > MAX_IMAGE_SIZE:
        found = f"input {placeholder.name} takes images of {sizes[1]} pixels, not 1 to {MAX_IMAGE_SIZE}"
        raise InputError(f"{origin}: {found}: pass another graph.")
    return DEFAULT_IMAGE_SIZE if sizes[1] == -1 else sizes[1]


def _find_output(graph: EditableGraph, origin: str) -> str:
    if OUTPUT_NAME in graph.nodes:
        return _before_argmax(graph, graph.nodes[OUTPUT_NAME])
    read = {node_name(reference) for node in graph.nodes.values() for reference in node.input}
    unread = [node for name, node in graph.nodes.items() if name not in read and node.input]
    ends = {_before_argmax(graph, node) for node in unread}
    softmaxes = [name for name in ends if graph.nodes[name].op == "Softmax"]
    if len(ends) != 1 and len(softmaxes) != 1:  # a Softmax beside an ArgMax of the logits is the one
        found = ", ".join(sorted(ends)[:8]) or "none"
        raise InputError(f"{origin}: outputs found: {found}: pass a graph with one, or with one named {OUTPUT_NAME}.")
    return (softmaxes or list(ends))[0]


def _before_argmax(graph: EditableGraph, node: NodeDef) -> str:
    while node.op in ("ArgMax", "Identity") and node.input:
        node = graph.producer(node.input[0])
    return str(node.name)
