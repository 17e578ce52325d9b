"""Make an int8 graph from an fp32 graph by post-training quantization with calibration images.

Run `python -m resnet_fixtures.graph.quantize --in-graph fp32.pb --data-location DIR --out int8.pb`. The work is
Intel's neural-compressor's: int8 weights by output channel, activations by tensor, symmetric, ranges from the
calibration images' minimum and maximum.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.data.imagenet import Split, find_split, read_batches
from resnet_fixtures.data.preprocess import Preprocessing
from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.edit import EditableGraph, attribute
from resnet_fixtures.graph.explicit_paddings import unfold_paddings
from resnet_fixtures.graph.fold import fold_for_inference
from resnet_fixtures.graph.frozen import WrongPrecisionError, check_content, prepare_content
from resnet_fixtures.graph.parse import read_graph_file
from resnet_fixtures.graph.shapes import first_line
from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.attempt import why_it_fails
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.output_folder import check_folder
from resnet_fixtures.paths import is_folder, parse_path
from resnet_fixtures.precision import Precision
from resnet_fixtures.refusing_parser import RefusingParser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence, Sized
    from pathlib import Path
    from typing import Protocol

    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf

    from resnet_fixtures.graph.interface import Interface

    class CalibrationBatches(Sized, Iterable[npt.NDArray[np.float32]], Protocol):
        """Preprocessed images [n, S, S, 3], all batches of one size n; gone through several times."""


DEFAULT_CALIBRATION_IMAGES = 100  # the seed's own number
CURE = "pass an fp32 graph of plain convolutions in NHWC, such as a ResNet-50"


def quantize(
    graph_def: tf.compat.v1.GraphDef, input_name: str, output_name: str, batches: CalibrationBatches
) -> tf.compat.v1.GraphDef:
    """Return the graph with quantized convolutions and dense layer, its input and output float32 as before."""
    graph = EditableGraph(graph_def)
    unfold_paddings(graph)
    fold_for_inference(graph, strided=False)
    quantized = run_compressor(graph.pruned(output_name), input_name, output_name, batches)
    quantized.versions.CopyFrom(graph_def.versions)
    return quantized


def run_compressor(
    graph_def: tf.compat.v1.GraphDef, input_name: str, output_name: str, batches: CalibrationBatches
) -> tf.compat.v1.GraphDef:
    """Let neural-compressor quantize a graph as it stands."""
    with _quiet_compressor():
        from neural_compressor.tensorflow import Model, StaticQuantConfig, quantize_model

        model = Model(graph_def)
        model.input_tensor_names, model.output_tensor_names = [input_name], [output_name]
        config = StaticQuantConfig(weight_granularity="per_channel", act_sym=True, weight_sym=True)
        return quantize_model(model, config, CalibrationLoader(batches)).graph_def


class CalibrationLoader:
    """Batches in the form that neural-compressor reads: (images, labels) pairs and a `batch_size`."""

    def __init__(self, batches: CalibrationBatches) -> None:
        self._batches = batches
        self.batch_size = len(next(iter(batches)))

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for images in self._batches:
            yield images, None


@contextlib.contextmanager
def _quiet_compressor() -> Iterator[None]:
    """Keep neural-compressor's workspace out of the current folder, and its and TensorFlow's logs at errors.

    It reads the ranges off file descriptor 2, which it asks the `sys.stderr` of its import for: under pytest that must
    be the real one.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.redirect_stderr(sys.__stderr__):
        warnings.simplefilter("ignore")
        from neural_compressor.tensorflow.utils.model import TFConfig

        logging.getLogger("neural_compressor").setLevel(logging.ERROR)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        TFConfig.global_config["workspace_path"] = folder  # `set_workspace` comes too late for the first model
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Quantize the graph that the command line names; exit status 4 and one sentence for what cannot be used."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    try:
        done = quantize_file(options.in_graph, options.data_location, options.out, options.images)
    except InputError as error:
        parser.error(str(error))
    parser.answer(done)
    return 0


def _make_parser() -> RefusingParser:
    parser = RefusingParser(
        prog="python -m resnet_fixtures.graph.quantize", description="Make an int8 graph from an fp32 graph."
    )
    places = "folder with calibration-, train- or validation-*-of-* TFRecords, or JPEGs"
    count = "calibration images (default %(default)s)"
    parser.add_argument("--in-graph", type=parse_path, required=True, help="frozen fp32 GraphDef (.pb)")
    parser.add_argument("--data-location", type=parse_path, required=True, help=places)
    parser.add_argument("--out", type=parse_path, required=True, help="where to write the int8 GraphDef")
    parser.add_argument("--images", type=int, default=DEFAULT_CALIBRATION_IMAGES, help=count)
    return parser


def quantize_file(in_graph: Path, data_location: Path, out: Path, images: int) -> str:
    """Quantize a graph file with the first `images` of a data location, and say what was done."""
    if is_folder(out):
        raise InputError(f"--out {out} is a folder: name the file to write.")
    check_folder("--out", out.parent)
    try:
        graph_def, interface = check_content(read_graph_file(in_graph), Precision.FP32, str(in_graph))
    except WrongPrecisionError as error:
        raise InputError(f"--in-graph {in_graph} computes in {error.found}: pass an fp32 graph.") from error
    _refuse_other_layouts(graph_def, in_graph)
    _refuse_broken_weights(graph_def, in_graph)
    split = _find_calibration_split(data_location)
    if not 0 < images <= split.images:
        there = f"the {split.images} images of {split.name} in {data_location}"
        raise InputError(f"--images {images} is not between 1 and {there}: pass another number.")
    batches = CalibrationImages(split, interface.image_size, interface.classes, images)
    for _ in batches:  # a broken image is told here: neural-compressor would swallow the error
        pass
    content = _quantize_content(graph_def, interface, batches, in_graph)
    untried = _try_result(content, next(iter(batches))[:1], in_graph)
    write_atomically(out, content)
    note = f"; it was not run, as {untried}" if untried else ""
    return f"{out}: int8 graph of {in_graph}, calibrated on {images} images of the {split.describe()}{note}"


def _refuse_other_layouts(graph_def: tf.compat.v1.GraphDef, in_graph: Path) -> None:
    for node in graph_def.node:
        if attribute(node, "data_format").s == b"NCHW":
            reason = f"node {node.name} has the layout NCHW, which neural-compressor cannot quantize"
            raise InputError(f"--in-graph {in_graph}: {reason}: pass a graph in NHWC.")


def _refuse_broken_weights(graph_def: tf.compat.v1.GraphDef, in_graph: Path) -> None:
    """Refuse weights that are not finite, of which neural-compressor would make an int8 graph all the same."""
    import numpy as np
    import tensorflow as tf

    for node in graph_def.node:
        is_weight = node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum
        if is_weight and not np.isfinite(tf.make_ndarray(node.attr["value"].tensor)).all():
            raise InputError(f"--in-graph {in_graph}: {node.name} is not finite: pass a graph with whole weights.")


def _quantize_content(
    graph_def: tf.compat.v1.GraphDef, interface: Interface, batches: CalibrationBatches, in_graph: Path
) -> bytes:
    """Return the int8 graph's file; InputError for whatever neural-compressor fails with."""
    try:
        quantized = quantize(graph_def, interface.input_name, interface.output_name, batches)
    except InputError:
        raise
    except Exception as error:
        failed = f"neural-compressor cannot quantize it ({type(error).__name__}: {first_line(error)})"
        raise InputError(f"--in-graph {in_graph}: {failed}: {CURE}.") from error
    return bytes(quantized.SerializeToString(deterministic=True))


def _try_result(content: bytes, images: npt.NDArray[np.float32], in_graph: Path) -> str | None:
    """Run the int8 graph as the suite would: neural-compressor makes graphs, too, that do not run.

    Returns why not, where TensorFlow runs no int8 graph: one may be made here for another machine.
    """
    origin = f"the int8 graph of {in_graph}"
    try:
        graph = prepare_content(content, Precision.INT8, origin)
    except WrongPrecisionError as error:
        raise InputError(f"--in-graph {in_graph}: neural-compressor quantized no convolution of it: {CURE}.") from error
    plan = make_thread_plan(read_topology())
    reason = why_it_fails(Precision.INT8, plan)
    if reason is None:
        with InferenceSession(graph, plan) as session:
            session.checked_predict(images)
    return reason


@dataclass(frozen=True)
class CalibrationImages:
    """The first `images` of a split, preprocessed, in batches of one size; read anew each time, never held together."""

    split: Split
    image_size: int
    classes: int
    images: int

    @property
    def batch_size(self) -> int:
        """Give the size of every batch."""
        return next(size for size in (20, 10, 5, 4, 2, 1) if self.images % size == 0)

    def __len__(self) -> int:
        return self.images // self.batch_size

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        preprocessing = Preprocessing.for_image_size(self.image_size)
        reader = read_batches(
            self.split, preprocessing, self.batch_size, self.classes, data_threads=2, take=self.images
        )
        return (batch.images for batch in reader)


def _find_calibration_split(data_location: Path) -> Split:
    for name in ("calibration", "train"):
        if is_folder(data_location) and any(data_location.glob(f"{name}-*-of-*")):
            return find_split(data_location, name)
    return find_split(data_location)


if __name__ == "__main__":
    sys.exit(main())
