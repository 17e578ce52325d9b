"""The reference kernel: work of a step's kind beside it, whose time tells how fast the machine is just now.

It is the embedded graph in the precision of the step, on a few images, in a plain session of TensorFlow: convolutions
of the same instructions, in the same number and order as in the step. What disturbs a step disturbs it alike; matrix
products of numpy do not follow, and an fp32 network follows int8 steps less (docs/gate.md has the measurements). It
shares the library with the step, so its times say nothing where the library has changed, and `reference_facts` tells
the libraries apart.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from resnet_fixtures.graph.edit import CONSTANTS
from resnet_fixtures.inference.optimizer import limit_optimizer

if TYPE_CHECKING:
    import numpy.typing as npt
    import tensorflow as tf

    from resnet_fixtures.graph.frozen import FrozenGraph

BATCH_SHARE, MOST_IMAGES = 4, 32  # a quarter of a step's images follows it as all of them would, for less time
SEED = 0
LIBRARY = "tensorflow"


class ReferenceKernel:
    """Runs an embedded graph on one seeded batch; float32 images [images, S, S, 3] inside, no result outside."""

    def __init__(self, graph: FrozenGraph, threads: int, batch_size: int) -> None:
        import tensorflow as tf

        from resnet_fixtures.data.dummy import dummy_images

        tf_graph = tf.Graph()
        with tf_graph.as_default():
            tf.graph_util.import_graph_def(graph.graph_def, name="")
        config: Any = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1, use_per_session_threads=True
        )
        config.experimental.disable_thread_spinning = True  # as in the step's own session
        limit_optimizer(config.graph_options.rewrite_options, graph.graph_def)
        session = tf.compat.v1.Session(graph=tf_graph, config=config)
        self._images: npt.NDArray[Any] = dummy_images(count_images(batch_size), graph.image_size, SEED)
        self._call = session.make_callable(f"{graph.output_name}:0", [f"{graph.input_name}:0"])

    def __call__(self) -> None:
        """Run it once."""
        self._call(self._images)


def count_images(batch_size: int) -> int:
    """Return how many images the kernel takes beside steps of a batch."""
    return min(max(1, batch_size // BATCH_SHARE), MOST_IMAGES)


def reference_facts(graph: FrozenGraph, threads: int, batch_size: int) -> dict[str, object]:
    """Say what the kernel is, and by which library: two processes' references compare where these are equal."""
    return {
        "kernel": f"embedded {graph.precision} graph {digest_structure(graph.graph_def)}",
        "images": count_images(batch_size),
        "threads": threads,
        "library": identify_library(),
    }


def digest_structure(graph_def: tf.compat.v1.GraphDef) -> str:
    """Return a digest of what decides a graph's speed: operations, attributes and shapes, without the weights' values.

    So a graph that is built again, whose weights may differ in their last digits, is the same kernel.
    """
    digest = hashlib.sha256()
    for node in graph_def.node:
        digest.update(f"{node.name} {node.op} {list(node.input)}".encode())
        if node.op in CONSTANTS:
            tensor = node.attr["value"].tensor
            digest.update(f"{tensor.dtype} {[dim.size for dim in tensor.tensor_shape.dim]}".encode())
        else:
            digest.update(str(sorted((name, str(value)) for name, value in node.attr.items())).encode())
    return digest.hexdigest()[:16]


@cache
def identify_library() -> str:
    """Return a digest of the installed TensorFlow's list of files, which has the digest of each."""
    for name in metadata.packages_distributions().get(LIBRARY, ()):
        record = metadata.distribution(name).read_text("RECORD")
        if record:
            digest = hashlib.sha256("\n".join(sorted(_installed_files(record))).encode()).hexdigest()[:16]
            return f"{name} {metadata.version(name)} {digest}"
    return "unknown"


def _installed_files(record: str) -> list[str]:
    """Leave out what differs between two installations of one build: byte code, and pip's own notes."""
    return [line for line in record.splitlines() if line.startswith(f"{LIBRARY}/") and ".pyc," not in line]
