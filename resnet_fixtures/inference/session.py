"""A TensorFlow session for one frozen graph, pinned to a thread plan, with its call prepared once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_fixtures.errors import InputError
from resnet_fixtures.inference.cause import find_cause
from resnet_fixtures.inference.optimizer import limit_optimizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import tensorflow as tf

    from resnet_fixtures.graph.frozen import FrozenGraph
    from resnet_fixtures.hardware.thread_plan import ThreadPlan

Images = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float32]
SUM_TOLERANCE = 0.02  # int8 and bf16 graphs may end in a softmax of bfloat16, whose probabilities have 3 digits


class InferenceSession:
    """Maps images float32 [N, S, S, 3] to class probabilities [N, classes] with one prepared call.

    Feeding the images and fetching the probabilities are inside a step, decoding is not. Use it as a context manager,
    or close it. (Only the pools are the session's own; `hardware.pinning` pins the CPUs.)
    """

    def __init__(self, graph: FrozenGraph, plan: ThreadPlan) -> None:
        import tensorflow as tf

        self.graph = graph
        tf_graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=tf_graph, config=session_config(plan, graph.graph_def))
        try:
            with tf_graph.as_default():
                tf.graph_util.import_graph_def(graph.graph_def, name="")
            self.predict: Callable[[Images], Probabilities] = _prepare_call(self._session, graph)
        except (ValueError, tf.errors.OpError) as error:
            self.close()
            raise _explain(graph, error) from error

    def checked_predict(self, images: Images) -> Probabilities:
        """Predict once and check the result: shape, finiteness, probabilities that sum to 1; else an InputError."""
        probabilities = self.run_once(images)
        check_probabilities(probabilities, len(images), self.graph)
        return probabilities

    def run_once(self, images: Images) -> Probabilities:
        """Predict, and tell a graph that TensorFlow cannot execute here as an InputError."""
        import tensorflow as tf

        try:
            return self.predict(images)
        except tf.errors.OpError as error:
            raise _explain(self.graph, error) from error

    def close(self) -> None:
        """Free the session's threads and memory."""
        self._session.close()

    def __enter__(self) -> InferenceSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _prepare_call(session: tf.compat.v1.Session, graph: FrozenGraph) -> Callable[[Images], Probabilities]:
    """Return a function that runs the graph without looking names up.

    `Session.make_callable` with a feed is `Session.run` under another name (on a null graph 130 us a call); the
    callable that Keras 2 ran on is prepared in C++ (15 us).
    """
    from tensorflow.core.protobuf.config_pb2 import CallableOptions

    options = CallableOptions(feed=[f"{graph.input_name}:0"], fetch=[f"{graph.output_name}:0"])
    run = session._make_callable_from_options(options)

    def predict(images: Images) -> Probabilities:
        return run(images)[0]  # type: ignore[no-any-return]

    return predict


def session_config(plan: ThreadPlan, graph_def: tf.compat.v1.GraphDef) -> tf.compat.v1.ConfigProto:
    """Return a session's configuration: pools of its own, and the remapper that fuses convolution, bias, sum and ReLU.

    AGGRESSIVE lets the remapper trust the placeholder's shape, without which it leaves the residual sums alone (51.5
    against 54.8 ms a step at batch 1, fp32); the seed's scripts set it too. `limit_optimizer` has the rest. An idle
    thread sleeps at once: one that spins takes a core from the thread that hands out the next work.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import rewriter_config_pb2

    config: Any = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=plan.intra,
        inter_op_parallelism_threads=plan.inter,
        use_per_session_threads=True,
        device_count={"GPU": 0},
    )
    config.experimental.disable_thread_spinning = True
    rewrites = config.graph_options.rewrite_options
    rewrites.remapping = rewriter_config_pb2.RewriterConfig.AGGRESSIVE
    limit_optimizer(rewrites, graph_def)
    return config


def _explain(graph: FrozenGraph, error: Exception) -> InputError:
    import tensorflow as tf

    is_too_large = isinstance(error, tf.errors.ResourceExhaustedError)
    cure = "pass a smaller --batch-size" if is_too_large else "pass another graph"
    failed = f"{graph.origin} does not run on TensorFlow {tf.__version__} here ({find_cause(str(error))})"
    return InputError(f"{failed}: {cure}.")


def check_probabilities(probabilities: Probabilities, images: int, graph: FrozenGraph) -> None:
    """Raise an InputError unless there is one finite distribution over the classes for each image."""
    if probabilities.shape != (images, graph.classes):
        expected = f"{images} images and {graph.classes} classes"
        raise InputError(f"{graph.origin} gave {probabilities.shape} for {expected}: pass another graph.")
    if not np.isfinite(probabilities).all():
        broken = "probabilities that are not finite: its weights are broken"
        raise InputError(f"{graph.origin} gave {broken}; pass another graph.")
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if np.abs(sums - 1).max() > SUM_TOLERANCE or probabilities.min() < 0:
        found = f"probabilities that sum to {sums.min():.3f} … {sums.max():.3f}, not 1"
        raise InputError(f"{graph.origin} gave {found}: pass another graph.")
