from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.edit import FLOAT32, strip_annotations
from resnet_fixtures.graph.interface import set_image_shape
from resnet_fixtures.graph.shapes import TensorType, first_line, infer_types
from tests.plugin.lazy_tensorflow import GraphDef, tf

if TYPE_CHECKING:
    from collections.abc import Callable


def build(make: Callable[[tf.Tensor], object]) -> GraphDef:
    with tf.Graph().as_default() as graph:
        make(tf.compat.v1.placeholder(tf.float32, [1, 64, 64, 3], name="images"))
    graph_def = graph.as_graph_def()
    strip_annotations(graph_def)
    return graph_def


def refuse(graph_def: GraphDef, match: str) -> None:
    with pytest.raises(InputError, match=match):
        infer_types(graph_def, "x.pb")


def spoiled(op: str, inputs: list[str], **types: int) -> GraphDef:
    """Add a node that TensorFlow's own functions would not make."""
    graph_def = build(lambda images: tf.constant([1.0, 2.0], name="two"))
    node = graph_def.node.add(name="spoiled", op=op, input=inputs)
    for name, value in types.items():
        node.attr[name].type = value
    return graph_def


@pytest.mark.parametrize("fixture", ["fp32_graph", "int8_graph"])
def test_types_of_the_whole_graph(request: pytest.FixtureRequest, fixture: str) -> None:
    graph_def = tf.compat.v1.GraphDef()
    graph_def.CopyFrom(request.getfixturevalue(fixture))
    placeholder = next(node for node in graph_def.node if node.op == "Placeholder")
    set_image_shape(placeholder, 1, 32)
    types = infer_types(graph_def, "x.pb")
    assert types["softmax_tensor"] == TensorType((1, 11), FLOAT32)
    assert types["average_pool"] == TensorType((1, 128), FLOAT32)
    assert set(types) == {node.name for node in graph_def.node}


def test_sizes_computed_from_the_images_shape_are_known() -> None:
    def flatten(images: tf.Tensor) -> object:
        return tf.reshape(images, tf.stack([tf.shape(images)[0], -1]), name="flat")

    assert infer_types(build(flatten), "x.pb")["flat"].shape == (1, 64 * 64 * 3)


def test_a_tensor_over_1_gib() -> None:
    graph_def = build(lambda images: tf.pad(images, [[0, 0], [0, 10_000], [0, 10_000], [0, 0]], name="padded"))
    refuse(graph_def, r"x\.pb: node padded makes a tensor of \(1, 10064, 10064, 3\), over 1 GiB an image: pass another")


def test_tensors_over_4_gib_together() -> None:
    def pile(images: tf.Tensor) -> object:
        wide = tf.pad(images, [[0, 0], [0, 4032], [0, 4032], [0, 1]])
        return [tf.nn.relu(wide) for _ in range(20)]

    refuse(build(pile), r"up to node Relu\w* one image takes over 4 GiB: pass another graph")


def test_doubling_is_noticed_on_the_way() -> None:
    def double(images: tf.Tensor) -> object:
        for _ in range(40):
            images = tf.concat([images, images], axis=1)
        return images

    refuse(build(double), r"node concat_\d+ makes a tensor of .*, over 1 GiB")


def test_what_tensorflow_would_compute_for_a_shape_is_refused_before_it_does() -> None:
    """Importing this graph at once made TensorFlow 2.21 multiply the two and allocate 3 GB."""
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [1, 64, 64, 3], name="images")
        small = tf.multiply(np.ones((4, 1), np.int32), np.ones((1, 2), np.int32), name="table")
        tf.reshape(images, tf.concat([tf.reduce_max(small, 0)[:1], [-1]], 0))
    graph_def = graph.as_graph_def()
    for node in graph_def.node:
        if node.name in ("table/x", "table/y"):
            sizes = (40_000, 1) if node.name == "table/x" else (1, 20_000)
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.ones(sizes, np.int32)))
    refuse(graph_def, r"node table makes a tensor of \(40000, 20000\), over 1 GiB")


def test_a_size_that_depends_on_the_pixels() -> None:
    def cut(images: tf.Tensor) -> object:
        return tf.slice(images, [0, 0, 0, 0], tf.cast(images[0, 0, 0, :1], tf.int32) * [1, 1, 1, 1], name="cut")

    refuse(build(cut), r"the size of node cut depends on more than the image's size: pass an image classifier's graph")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: spoiled("Relu", [], T=FLOAT32), "NodeDef expected inputs"),
        (lambda: spoiled("Relu", ["two"]), "T"),
        (lambda: spoiled("Relu", ["two:1"], T=FLOAT32), "there is no 'two:1'"),
        (lambda: spoiled("Relu", ["two:x"], T=FLOAT32), "there is no 'two:x'"),
        (lambda: spoiled("Relu", ["two"], T=7), "allowed"),
        (lambda: spoiled("MatMul", ["two", "two"], T=FLOAT32), "rank 2"),
        (lambda: spoiled("NoSuchOp", ["two"]), "NoSuchOp"),
    ],
)
def test_what_tensorflow_refuses_is_told_in_one_line(make: Callable[[], GraphDef], reason: str) -> None:
    refuse(make(), rf"^x\.pb: TensorFlow [\d.]+\S* cannot take this graph \(.*{reason}.*\): pass one frozen for it\.$")


def test_a_graph_for_a_newer_tensorflow() -> None:
    graph_def = build(lambda images: tf.nn.relu(images))
    graph_def.versions.min_consumer = 1_000_000
    refuse(graph_def, "cannot take this graph .*consumer")


def test_first_lines_are_short_and_printable() -> None:
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError("\x1b[31mred\x07")) == "?[31mred?"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 9999))) == 300
