"""Try whether TensorFlow can multiply in a precision on this CPU: one small convolution."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_fixtures.hardware.library_environment import ONEDNN_SWITCH
from resnet_fixtures.inference.cause import find_cause
from resnet_fixtures.inference.session import session_config
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable

    import tensorflow as tf

    from resnet_fixtures.hardware.thread_plan import ThreadPlan

SHAPE = (1, 8, 8, 16)
KERNEL_SHAPE = (1, 1, 16, 16)


def why_it_fails(precision: Precision, plan: ThreadPlan) -> str | None:
    """Return in one sentence why convolutions in this precision do not run here, None if they do."""
    import tensorflow as tf

    builders: dict[Precision, Callable[[], tf.Tensor]] = {
        Precision.INT8: _convolve_int8,
        Precision.BF16: lambda: _convolve(tf.bfloat16),
        Precision.FP32: lambda: _convolve(tf.float32),
    }
    graph = tf.Graph()
    with graph.as_default():
        output = builders[precision]()
    try:
        with tf.compat.v1.Session(graph=graph, config=session_config(plan, graph.as_graph_def())) as session:
            session.run(output)
    except tf.errors.OpError as error:
        sentence = f"TensorFlow {tf.__version__} cannot multiply in {precision} here: {find_cause(error.message)}"
        is_off = os.environ.get(ONEDNN_SWITCH) == "0"
        return f"{sentence} ({ONEDNN_SWITCH}=0 leaves oneDNN out: unset it)" if is_off else sentence
    return None


def _convolve(dtype: tf.DType) -> tf.Tensor:
    """Convolve, add a bias and cut below zero, which oneDNN fuses as in the network."""
    import tensorflow as tf

    images = tf.cast(tf.compat.v1.placeholder_with_default(np.ones(SHAPE, np.float32), SHAPE), dtype)
    kernel, bias = tf.ones(KERNEL_SHAPE, dtype), tf.ones(KERNEL_SHAPE[-1:], dtype)
    return tf.cast(tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(images, kernel, 1, "VALID"), bias)), tf.float32)


def _convolve_int8() -> tf.Tensor:
    """Run the operation that most of the network's convolutions become."""
    import tensorflow as tf

    images = tf.compat.v1.placeholder_with_default(np.ones(SHAPE, np.float32), SHAPE)
    quantized = tf.raw_ops.QuantizeV2(input=images, min_range=0.0, max_range=1.0, T=tf.quint8)
    least, greatest = -np.ones(KERNEL_SHAPE[-1:], np.float32), np.ones(KERNEL_SHAPE[-1:], np.float32)
    convolved: Any = tf.raw_ops.QuantizedConv2DWithBiasAndReluAndRequantize(
        input=quantized.output, filter=tf.bitcast(np.ones(KERNEL_SHAPE, np.int8), tf.qint8),
        bias=np.ones(KERNEL_SHAPE[-1:], np.float32), min_input=quantized.output_min, max_input=quantized.output_max,
        min_filter=least, max_filter=greatest, min_freezed_output=0.0, max_freezed_output=16.0,
        strides=[1, 1, 1, 1], padding="VALID",
    )  # fmt: skip
    return tf.cast(tf.bitcast(convolved.output, tf.uint8), tf.float32)
