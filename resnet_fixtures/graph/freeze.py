"""Write the architecture with its weights as a frozen GraphDef, `input_tensor:0` to `softmax_tensor:0`.

Run `python -m resnet_fixtures.graph.freeze --checkpoint DIR --out model.pb` for the weights of a training.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.resnet50 import BATCH_NORM_EPSILON, Architecture, resnet50
from resnet_fixtures.graph.weights import stored_weights
from resnet_fixtures.paths import parse_path
from resnet_fixtures.precision import Precision
from resnet_fixtures.refusing_parser import RefusingParser
from resnet_fixtures.training.checkpoint import find_checkpoint, read_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import tensorflow as tf

    from resnet_fixtures.graph.weights import WeightSource
    from resnet_fixtures.training.checkpoint import Checkpoint

INPUT_NAME = "input_tensor"
OUTPUT_NAME = "softmax_tensor"  # both names are the published graphs' own


def freeze(architecture: Architecture, weights: WeightSource) -> tf.compat.v1.GraphDef:
    """Return the fp32 graph: images [None, S, S, 3] float32 to class probabilities [None, classes] float32."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        size = architecture.image_size
        images = tf.compat.v1.placeholder(tf.float32, [None, size, size, 3], name=INPUT_NAME)
        tf.nn.softmax(resnet50(FrozenLayers(weights), images, architecture), name=OUTPUT_NAME)
    return graph.as_graph_def()


class FrozenLayers:
    """Layers as nodes of the current default graph, their weights as constants."""

    def __init__(self, weights: WeightSource) -> None:
        self._weights = weights

    def convolution(
        self, images: tf.Tensor, name: str, filters: int, kernel: int, stride: int, *, relu: bool
    ) -> tf.Tensor:
        """Add Pad, Conv2D, FusedBatchNormV3 and Relu nodes."""
        import tensorflow as tf

        weight = self._constant(f"{name}/kernel", (kernel, kernel, images.shape[-1], filters))
        convolved = tf.nn.conv2d(_pad(images, kernel // 2, f"{name}/pad"), weight, stride, "VALID", name=f"{name}/conv")
        normalised = self._batch_norm(convolved, name)
        return tf.nn.relu(normalised, name=f"{name}/relu") if relu else normalised

    def max_pool(self, images: tf.Tensor) -> tf.Tensor:
        """Add Pad and MaxPool nodes."""
        import tensorflow as tf

        return tf.nn.max_pool2d(_pad(images, 1, "max_pool/pad"), 3, 2, "VALID", name="max_pool")

    def add_relu(self, residual: tf.Tensor, shortcut: tf.Tensor, name: str) -> tf.Tensor:
        """Add AddV2 and Relu nodes."""
        import tensorflow as tf

        return tf.nn.relu(tf.raw_ops.AddV2(x=residual, y=shortcut, name=f"{name}/add"), name=f"{name}/relu")

    def average_pool(self, images: tf.Tensor) -> tf.Tensor:
        """Add a Mean node."""
        import tensorflow as tf

        return tf.reduce_mean(images, [1, 2], name="average_pool")

    def dense(self, features: tf.Tensor, name: str, classes: int) -> tf.Tensor:
        """Add MatMul and BiasAdd nodes."""
        import tensorflow as tf

        kernel = self._constant(f"{name}/kernel", (features.shape[-1], classes))
        bias = self._constant(f"{name}/bias", (classes,))
        return tf.nn.bias_add(tf.matmul(features, kernel, name=f"{name}/matmul"), bias, name=f"{name}/logits")

    def _batch_norm(self, images: tf.Tensor, name: str) -> tf.Tensor:
        import tensorflow as tf

        statistics = {
            argument: self._constant(f"{name}/{role}", (images.shape[-1],))
            for argument, role in (("scale", "gamma"), ("offset", "beta"), ("mean", "mean"), ("variance", "variance"))
        }
        normalised = tf.raw_ops.FusedBatchNormV3(
            x=images, **statistics, epsilon=BATCH_NORM_EPSILON, is_training=False, name=f"{name}/batch_norm"
        )
        return normalised.y

    def _constant(self, name: str, shape: tuple[int, ...]) -> tf.Tensor:
        import tensorflow as tf

        return tf.constant(self._weights(name, shape), name=name)


def _pad(images: tf.Tensor, pixels: int, name: str) -> tf.Tensor:
    import tensorflow as tf

    return tf.pad(images, [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]], name=name) if pixels else images


def freeze_checkpoint(checkpoint: Checkpoint, precision: Precision | None = None) -> tf.compat.v1.GraphDef:
    """Return the graph of a training's weights, in the precision that they were trained in unless another is given.

    Weights that do not fit the checkpoint's own recipe are a KeyError or a ValueError. int8 needs calibration images
    and is made of the fp32 graph by `graph.quantize`.
    """
    from resnet_fixtures.graph.embedded import convert

    fp32 = freeze(checkpoint.recipe.architecture, stored_weights(checkpoint.weights))
    return convert(fp32, precision or checkpoint.recipe.precision, ())


def freeze_file(checkpoint: Path, out: Path, precision: Precision | None = None) -> str:
    """Freeze a checkpoint's file, or the best of a folder, and say what was done; raises only InputErrors."""
    path = find_checkpoint(checkpoint)
    found = read_checkpoint(path)
    try:
        graph_def = freeze_checkpoint(found, precision)
    except (KeyError, ValueError) as error:
        reason = f"weight {error} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"{path} does not fit its own recipe ({reason}): pass another --checkpoint.") from error
    write_atomically(out, graph_def.SerializeToString(deterministic=True))
    score = f", top-1 {found.evaluation.top1:.4f}" if found.evaluation else ""
    return f"{out}: {precision or found.recipe.precision} graph of {path}, step {found.step}{score}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Freeze the checkpoint that the command line names; exit status 4 and one sentence for what cannot be used."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    try:
        done = freeze_file(options.checkpoint, options.out, options.precision and Precision(options.precision))
    except InputError as error:
        parser.error(str(error))
    parser.answer(done)
    return 0


def _make_parser() -> RefusingParser:
    parser = RefusingParser(
        prog="python -m resnet_fixtures.graph.freeze", description="Make a frozen graph of a training's weights."
    )
    place = "folder of a training (its best checkpoint, else its newest), or one of its files"
    choices = [str(precision) for precision in (Precision.FP32, Precision.BF16)]
    parser.add_argument("--checkpoint", type=parse_path, required=True, help=place)
    parser.add_argument("--out", type=parse_path, required=True, help="where to write the GraphDef")
    parser.add_argument("--precision", choices=choices, help="of the graph (default: the training's)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
