"""The reference kernel: work of a step's kind beside it, whose time tells how fast the machine is just now.

It is a smaller ResNet-50 v1.5 in fp32, run by TensorFlow as it comes: none of this package's graph transforms, and
oneDNN's convolutions in the same number and order as in the step. What disturbs a step disturbs it alike; numpy's
matrix products do not follow (docs/gate.md has the measurements). It shares the library with the step, so its times
say nothing where the library has changed, and `reference_facts` tells the libraries apart.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    import numpy.typing as npt

# The filters of the first stage, 64 in the real network: the kernel takes 0.7 to 1.1 of an image's step.
WIDTHS = {Precision.INT8: 32, Precision.BF16: 32, Precision.FP32: 48}
MOST_IMAGES = 32  # of larger batches, a part: such steps are long beside what disturbs them
SEED = 0
LIBRARY = "tensorflow"


class ReferenceKernel:
    """Runs the network on one seeded batch; float32 images [images, 224, 224, 3] inside, no result outside."""

    def __init__(self, threads: int, images: int, width: int) -> None:
        import tensorflow as tf

        from resnet_fixtures.data.dummy import dummy_images
        from resnet_fixtures.graph.freeze import INPUT_NAME, OUTPUT_NAME, freeze
        from resnet_fixtures.graph.weights import random_weights

        architecture = Architecture(width=width)
        graph = tf.Graph()
        with graph.as_default():
            tf.graph_util.import_graph_def(freeze(architecture, random_weights(SEED)), name="")
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1, use_per_session_threads=True
        )
        session = tf.compat.v1.Session(graph=graph, config=config)
        self._images: npt.NDArray[Any] = dummy_images(images, architecture.image_size, SEED)
        self._call = session.make_callable(f"{OUTPUT_NAME}:0", [f"{INPUT_NAME}:0"])

    def __call__(self) -> None:
        """Run it once."""
        self._call(self._images)


def make_reference_kernel(threads: int, batch_size: int, precision: Precision) -> ReferenceKernel:
    """Return the kernel for such steps: the same work wherever the arguments are the same."""
    return ReferenceKernel(threads, min(batch_size, MOST_IMAGES), WIDTHS[precision])


def reference_facts(threads: int, batch_size: int, precision: Precision) -> dict[str, object]:
    """Say what the kernel is, and by which library: two processes' references compare where these are equal."""
    return {
        "kernel": f"ResNet-50 v1.5, width {WIDTHS[precision]}, fp32",
        "images": min(batch_size, MOST_IMAGES),
        "threads": threads,
        "library": identify_library(),
    }


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
