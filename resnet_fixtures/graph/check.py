"""Refuse a graph that could do more than classify images: it is untrusted input.

Only listed operations may stand in a graph: they compute tensors from tensors. None touches files, network, Python,
resources or functions. Sizes are checked before anything is allocated (those of computed tensors in `shapes`).
"""

from __future__ import annotations

import math
import re
from graphlib import CycleError
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.edit import CONSTANTS, attribute, node_name, sort_levels

if TYPE_CHECKING:
    import tensorflow as tf
    from tensorflow.core.framework.node_def_pb2 import NodeDef

MAX_NODES = 10_000  # the embedded graphs have 500
MAX_CONSTANT_BYTES = 1 << 30  # of all constants together; ResNet-50's take 98 MiB
LAYOUTS = (b"NHWC", b"NCHW")
MAX_ATTRIBUTE = 1 << 14  # of integers (paddings, numbers of inputs and outputs) and of lists' lengths

ALLOWED_OPS = frozenset(
    """
    Abs Add AddN AddV2 ArgMax AvgPool BatchNormWithGlobalNormalization BiasAdd BiasAddV1 Bitcast Cast ConcatV2 Const
    Conv2D DepthwiseConv2dNative Dequantize Div Elu ExpandDims FakeQuantWithMinMaxVars
    FakeQuantWithMinMaxVarsPerChannel FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 HostConst Identity LeakyRelu
    LogSoftmax MatMul Max MaxPool Maximum Mean Min Minimum Mul Neg NoOp Pack Pad PadV2 Placeholder Prod QuantizeV2
    QuantizedAdd QuantizedAvgPool QuantizedBiasAdd QuantizedConcatV2 QuantizedMaxPool QuantizedRelu QuantizedReshape
    RealDiv Relu Relu6 Requantize RequantizationRange Reshape Rsqrt Shape Sigmoid Slice Softmax Split Sqrt Square
    Squeeze StopGradient StridedSlice Sub Sum Tanh Transpose _FusedConv2D _FusedMatMul
    """.split()  # noqa: SIM905 - a list of strings would be three times as long
)
ALLOWED_PREFIXES = ("QuantizedConv2D", "QuantizedDepthwiseConv2D", "QuantizedMatMul", "_FusedQuantizedConv2D")
OUTSIDE_WORDS = re.compile("File|Py|Read|Write|Save|Restore|Rpc|Send|Recv|Http|Debug|Load|Dataset|Import|Print|Summary")
NODE_NAME = re.compile(
    r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]{0,499}"
)  # TensorFlow's own rule, and a length fit for a message


def check_graph(graph_def: tf.compat.v1.GraphDef, origin: str) -> None:
    """Raise an InputError that names the first node which may not stand in the frozen graph `origin`."""
    if not graph_def.node:
        raise InputError(f"{origin} holds no graph: pass a frozen GraphDef (.pb), not a SavedModel or a checkpoint.")
    if graph_def.library.function:
        raise InputError(f"{origin} calls functions of its own: freeze it with its functions inlined.")
    if len(graph_def.node) > MAX_NODES:
        raise InputError(f"{origin} has {len(graph_def.node)} nodes, over {MAX_NODES}: pass a ResNet-50 graph.")
    _check_names(graph_def, origin)
    names = {node.name for node in graph_def.node}
    for node in graph_def.node:
        _check_operation(node, origin)
        _check_attributes(node, origin)
        _check_inputs(node, names, origin)
    _check_order(graph_def, origin)
    _check_constants(graph_def, origin)


def _check_names(graph_def: tf.compat.v1.GraphDef, origin: str) -> None:
    seen: set[str] = set()
    for node in graph_def.node:
        if not NODE_NAME.fullmatch(node.name):
            raise InputError(f"{origin}: {node.name[:60]!r} is no name for a node: pass a graph that TensorFlow wrote.")
        if node.name in seen:
            raise InputError(f"{origin}: two nodes are named {node.name}: pass a graph that TensorFlow wrote.")
        seen.add(node.name)


def _check_operation(node: NodeDef, origin: str) -> None:
    if node.op in ALLOWED_OPS or node.op.startswith(ALLOWED_PREFIXES):
        return
    reaches_out = OUTSIDE_WORDS.search(node.op)
    reason = (
        "touches files, network or Python" if reaches_out else "is none that an image classifier's frozen graph needs"
    )
    shown = node.op if node.op.isidentifier() and len(node.op) < 100 else repr(node.op[:60])
    raise InputError(f"{origin}: node {node.name} is a {shown}, which {reason}: pass a graph frozen for inference.")


def _check_attributes(node: NodeDef, origin: str) -> None:
    """Bound the numbers that say how much an operation makes, and refuse attributes that call functions.

    An unknown layout too: TensorFlow reads it even of operations that declare none, and aborts the process.
    """
    for name, value in node.attr.items():
        if name == "data_format" and value.s not in LAYOUTS:
            raise InputError(f"{origin}: node {node.name} has the layout {value.s[:60]!r}: pass a graph in NHWC.")
        lengths = [len(values) for _, values in value.list.ListFields()]
        numbers = [value.i, *value.list.i[:MAX_ATTRIBUTE], *lengths]
        if any(abs(number) > MAX_ATTRIBUTE for number in numbers):
            raise InputError(f"{origin}: node {node.name} has {name[:60]!r} over {MAX_ATTRIBUTE}: pass another graph.")
        if value.HasField("func") or value.list.func:
            raise InputError(
                f"{origin}: node {node.name} calls a function: freeze the graph with its functions inlined."
            )


def _check_inputs(node: NodeDef, names: set[str], origin: str) -> None:
    for reference in node.input:
        if node_name(reference) not in names:
            missing = f"node {node.name} reads {reference[:100]!r}, which is not there"
            raise InputError(f"{origin}: {missing}: the file is truncated; fetch it again.")


def _check_order(graph_def: tf.compat.v1.GraphDef, origin: str) -> None:
    try:
        for _ in sort_levels(graph_def.node):
            pass
    except CycleError as error:
        message = f"{origin}: node {error.args[1][0]} waits for its own result: pass a graph without loops."
        raise InputError(message) from error


def _check_constants(graph_def: tf.compat.v1.GraphDef, origin: str) -> None:
    total_bytes = 0
    for node in graph_def.node:
        if node.op in CONSTANTS:
            total_bytes += _declared_bytes(node, origin)
            if total_bytes > MAX_CONSTANT_BYTES:
                sizes = [dimension.size for dimension in attribute(node, "value").tensor.tensor_shape.dim][:8]
                message = f"{origin}: with constant {node.name} of shape {sizes} the constants take over 1 GiB"
                raise InputError(f"{message}: pass another graph.")
    for node in graph_def.node:
        if node.op in CONSTANTS:
            _check_value(node, origin)


def _declared_bytes(node: NodeDef, origin: str) -> int:
    """Return what the constant's tensor will take, from its declaration."""
    import tensorflow as tf

    tensor = attribute(node, "value").tensor
    sizes: list[int] = [dimension.size for dimension in tensor.tensor_shape.dim]
    try:
        dtype = tf.dtypes.as_dtype(tensor.dtype)
    except TypeError:
        dtype = tf.variant
    is_number = dtype.is_floating or dtype.is_integer or dtype.is_quantized or dtype.is_bool
    if not is_number or tensor.dtype != attribute(node, "dtype").type or any(size < 0 for size in sizes):
        raise InputError(f"{origin}: constant {node.name} is no array of numbers: pass a graph frozen for inference.")
    return math.prod(sizes) * int(dtype.size)


def _check_value(node: NodeDef, origin: str) -> None:
    import tensorflow as tf

    try:
        tf.make_ndarray(attribute(node, "value").tensor)
    except (TypeError, ValueError, OverflowError) as error:
        message = f"{origin}: the content of constant {node.name} does not fill its shape"
        raise InputError(f"{message}: the file is damaged; fetch it again.") from error
