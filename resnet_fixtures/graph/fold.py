"""Fold what is constant at inference into the convolutions: identities, batch norms, paddings.

The remapper of a TensorFlow session then fuses convolution, bias, residual sum and ReLU into one oneDNN primitive.
The results stay the same to float32 rounding, paddings to the last bit. (TensorFlow's own `optimize_for_inference`
does the batch norms too, in 54 s where this takes one.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from resnet_fixtures.graph.constants import fold_constants
from resnet_fixtures.graph.edit import FLOAT32, EditableGraph, attribute, node_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tensorflow.core.framework.node_def_pb2 import NodeDef

BATCH_NORMS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
DEFAULT_EPSILON = 1e-4  # of a batch norm whose file leaves attributes out that have TensorFlow's default


class ScaleAndShift(NamedTuple):
    """What per-channel operations behind a convolution do at inference: `scale * x + shift`, up to node `end`."""

    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]
    end: str


def fold_for_inference(graph: EditableGraph, *, strided: bool) -> None:
    """Apply every folding, each preparing the next; `strided` as in `fold_paddings`."""
    bypass_identities(graph)
    fold_constants(graph)
    fold_batch_norms(graph)
    fold_paddings(graph, strided=strided)


def bypass_identities(graph: EditableGraph) -> None:
    """Let the readers of every Identity read its input."""
    inputs = {node.name: node.input[0] for node in graph.nodes.values() if node.op == "Identity"}
    for node in graph.nodes.values():
        for index, reference in enumerate(node.input):
            while reference in inputs:
                reference = inputs[reference]
            node.input[index] = reference


def fold_batch_norms(graph: EditableGraph) -> None:
    """Scale float32 convolution kernels by what multiplies each channel behind them, and leave a BiasAdd in its place.

    Kernels stored in bfloat16 keep their batch norm: scaling them would round them twice.
    """
    for convolution in _convolutions(graph):
        kernel = graph.constant(convolution.input[1])
        if kernel is not None and kernel.dtype == np.float32 and _is_nhwc(convolution):
            affine = _scale_and_shift_after(graph, convolution.name, kernel.shape[-1])
            if affine is not None:
                _replace_by_bias(graph, convolution, kernel, affine)


def fold_paddings(graph: EditableGraph, *, strided: bool) -> None:
    """Move each zero padding into the convolution that reads it.

    A centred padding at stride 1 is SAME. Others become EXPLICIT if `strided`; quantized convolutions know no
    EXPLICIT, so a graph that is to be quantized keeps them (`quantized_paddings` finishes the work).
    """
    for convolution in _convolutions(graph):
        pad = graph.producer(convolution.input[0])
        paddings = spatial_paddings(graph, pad)
        if paddings is None or attribute(convolution, "padding").s != b"VALID" or not _is_nhwc(convolution):
            continue
        if _is_same(graph, convolution, paddings):
            convolution.attr["padding"].s = b"SAME"
        elif strided:
            convolution.attr["padding"].s = b"EXPLICIT"
            convolution.attr["explicit_paddings"].list.i[:] = paddings
        else:
            continue
        convolution.input[0] = pad.input[0]


def spatial_paddings(graph: EditableGraph, node: NodeDef) -> list[int] | None:
    """Return a Pad node's eight NHWC amounts, or None where it is no constant padding of height and width alone."""
    if node.op != "Pad":
        return None
    amounts = graph.constant(node.input[1])
    if amounts is None or amounts.shape != (4, 2) or amounts[[0, 3]].any():
        return None
    return [int(amount) for amount in amounts.ravel()]


def _convolutions(graph: EditableGraph) -> list[NodeDef]:
    return [node for node in graph.nodes.values() if node.op == "Conv2D"]


def _scale_and_shift_after(graph: EditableGraph, convolution: str, channels: int) -> ScaleAndShift | None:
    """Follow the per-channel operations behind a convolution; None where none multiplies: nothing is to be gained."""
    affine = ScaleAndShift(np.ones(channels), np.zeros(channels), convolution)
    multiplies = False
    while (reader := graph.only_consumer(affine.end)) is not None:
        step = _read_step(graph, reader, affine.end, channels)
        if step is None:
            break
        multiplies = multiplies or reader.op in BATCH_NORMS or reader.op == "Mul"
        affine = ScaleAndShift(affine.scale * step.scale, affine.shift * step.scale + step.shift, reader.name)
    return affine if multiplies else None


def _read_step(graph: EditableGraph, node: NodeDef, images: str, channels: int) -> ScaleAndShift | None:
    if node.op in BATCH_NORMS:
        return _read_batch_norm(graph, node, images)
    others = [reference for reference in node.input if node_name(reference) != images]
    value = graph.constant(others[0]) if len(node.input) == 2 and len(others) == 1 else None
    if value is None or value.dtype != np.float32 or not _is_per_channel(value, channels) or not _is_nhwc(node):
        return None
    constant = np.broadcast_to(value.astype(np.float64).ravel(), channels)
    if node.op in ("Add", "AddV2", "BiasAdd"):
        return ScaleAndShift(np.ones(channels), constant, node.name)
    if node.op == "Sub" and node.input[0] == images:
        return ScaleAndShift(np.ones(channels), -constant, node.name)
    return ScaleAndShift(constant, np.zeros(channels), node.name) if node.op == "Mul" else None


def _read_batch_norm(graph: EditableGraph, norm: NodeDef, images: str) -> ScaleAndShift | None:
    """Read a fused batch norm whose statistics are constant and whose other outputs nobody reads."""
    constants = [graph.constant(reference) for reference in norm.input[1:5]]
    is_inference = "is_training" in norm.attr and not norm.attr["is_training"].b  # True is TensorFlow's default
    if not is_inference or any(constant is None for constant in constants) or not _is_nhwc(norm):
        return None
    if norm.input[0] != images or graph.only_consumer(norm.name) is None:
        return None
    gamma, beta, mean, variance = (np.asarray(constant, np.float64) for constant in constants)
    epsilon = norm.attr["epsilon"].f if "epsilon" in norm.attr else DEFAULT_EPSILON
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + epsilon)
        return ScaleAndShift(scale, beta - mean * scale, norm.name)


def _replace_by_bias(
    graph: EditableGraph, convolution: NodeDef, kernel: npt.NDArray[Any], affine: ScaleAndShift
) -> None:
    with np.errstate(all="ignore"):
        scaled = (kernel * affine.scale).astype(np.float32)
        bias = affine.shift.astype(np.float32)
    convolution.input[1] = graph.add_constant(f"{affine.end}/scaled_kernel", scaled)
    graph.replace(affine.end, "BiasAdd", [convolution.name, graph.add_constant(f"{affine.end}/bias", bias)], T=FLOAT32)


def _is_per_channel(value: npt.NDArray[Any], channels: int) -> bool:
    return value.ndim <= 4 and (value.size == 1 or (value.size == channels and value.shape[-1] == channels))


def _is_nhwc(node: NodeDef) -> bool:
    return attribute(node, "data_format").s in (b"", b"NHWC")


def _is_same(graph: EditableGraph, convolution: NodeDef, paddings: Sequence[int]) -> bool:
    kernel = graph.constant(convolution.input[1])
    is_dense = not set(attribute(convolution, "dilations").list.i) - {1}
    if kernel is None or not is_dense or set(attribute(convolution, "strides").list.i) != {1}:
        return False
    height, width = kernel.shape[0] - 1, kernel.shape[1] - 1
    return list(paddings[2:6]) == [height // 2, height - height // 2, width // 2, width - width // 2]
