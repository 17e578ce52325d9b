"""Frozen graphs that are ready for inference: parsed, checked and transformed exactly once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.check import check_graph
from resnet_fixtures.graph.edit import FLOAT32, EditableGraph, strip_annotations
from resnet_fixtures.graph.fold import fold_for_inference
from resnet_fixtures.graph.interface import Interface, find_interface, find_precision, is_probability, set_image_shape
from resnet_fixtures.graph.parse import parse_graph, read_graph_file
from resnet_fixtures.graph.quantized_paddings import fold_quantized_paddings

if TYPE_CHECKING:
    from pathlib import Path

    import tensorflow as tf

    from resnet_fixtures.precision import Precision


class WrongPrecisionError(InputError):
    """A graph computes in another precision than asked for: in `found`."""

    def __init__(self, origin: str, found: Precision, asked: Precision) -> None:
        cure = f"pass it as --in-graph {found}={origin}, and select {found} with -m"
        super().__init__(f"{origin} computes in {found}, not in {asked}: {cure}.")
        self.found = found


@dataclass(frozen=True)
class FrozenGraph:
    """A frozen ResNet-50, transformed for inference.

    `graph_def` maps float32 images [N, image_size, image_size, 3] at `input_name` to class probabilities [N, classes]
    at `output_name`; `sha256` is the digest of the file as it was given, `origin` names it in messages.
    """

    graph_def: tf.compat.v1.GraphDef = field(repr=False)  # of 100 MiB: a failed assertion would print it
    input_name: str
    output_name: str
    image_size: int
    classes: int
    precision: Precision
    sha256: str
    origin: str


def load_frozen_graph(path: Path, precision: Precision) -> FrozenGraph:
    """Read, check and transform a GraphDef file; InputError for anything but an image classifier in `precision`."""
    return prepare_content(read_graph_file(path), precision, str(path))


def prepare_content(content: bytes, precision: Precision, origin: str) -> FrozenGraph:
    """Check and transform the content of a GraphDef file; raises as loading does."""
    graph_def, interface = check_content(content, precision, origin)
    prepared, output_name = transform_for_inference(graph_def, interface.output_name, interface.output_type)
    return FrozenGraph(
        prepared, interface.input_name, output_name, interface.image_size, interface.classes,
        precision, hashlib.sha256(content).hexdigest(), origin,
    )  # fmt: skip


def check_content(content: bytes, precision: Precision, origin: str) -> tuple[tf.compat.v1.GraphDef, Interface]:
    """Return what the output of a file's graph needs, with an open batch, and its interface; raises as loading does.

    Nothing is folded yet. What the output does not need has shapes that nobody has checked, and is left out.
    """
    graph_def = parse_graph(content, origin)
    check_graph(graph_def, origin)
    _check_precision(graph_def, precision, origin)
    strip_annotations(graph_def)
    interface = find_interface(graph_def, origin)
    needed = EditableGraph(graph_def).pruned(interface.output_name)
    placeholder = next(node for node in needed.node if node.name == interface.input_name)
    set_image_shape(placeholder, -1, interface.image_size)
    return needed, interface


def transform_for_inference(
    graph_def: tf.compat.v1.GraphDef, output_name: str, output_type: int = FLOAT32
) -> tuple[tf.compat.v1.GraphDef, str]:
    """Fold what is constant and prune the rest; return the graph and the name of its probabilities, float32.

    A graph that ends in logits gets a softmax, one that ends in another type than float32 a cast.
    """
    graph = EditableGraph(graph_def)
    is_softmax = is_probability(graph, output_name)
    fold_for_inference(graph, strided=True)
    fold_quantized_paddings(graph)
    if output_type != FLOAT32:
        output_name = graph.add(f"{output_name}/float32", "Cast", [output_name], SrcT=output_type, DstT=FLOAT32).name
    if not is_softmax:
        output_name = graph.add(f"{output_name}/softmax", "Softmax", [output_name], T=FLOAT32).name
    return graph.pruned(output_name), output_name


def _check_precision(graph_def: tf.compat.v1.GraphDef, precision: Precision, origin: str) -> None:
    found = find_precision(graph_def)
    if found is None:
        raise InputError(f"{origin} has no convolutions: pass a ResNet-50 graph.")
    if found is not precision:
        raise WrongPrecisionError(origin, found, precision)
