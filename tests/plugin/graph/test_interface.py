from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.check import check_graph
from resnet_fixtures.graph.edit import BFLOAT16, FLOAT32, EditableGraph, strip_annotations
from resnet_fixtures.graph.interface import Interface, find_interface, find_precision, is_probability, set_image_shape
from resnet_fixtures.precision import Precision
from tests.plugin.lazy_tensorflow import GraphDef, tf

if TYPE_CHECKING:
    from collections.abc import Callable


def build(
    make: Callable[[tf.Tensor], object],
    shape: Any = (None, 32, 32, 3),
    dtype: tf.DType | None = None,
) -> GraphDef:
    with tf.Graph().as_default() as graph:
        make(tf.compat.v1.placeholder(dtype or tf.float32, shape, name="images"))
    graph_def = graph.as_graph_def()
    check_graph(graph_def, "x.pb")
    strip_annotations(graph_def)
    return graph_def


def classify(images: tf.Tensor, name: str = "logits") -> tf.Tensor:
    features = tf.reduce_mean(tf.cast(images, tf.float32), [1, 2])
    return tf.raw_ops.MatMul(
        a=features, b=tf.ones([3, 7]).numpy() if tf.executing_eagerly() else [[1.0] * 7] * 3, name=name
    )


def find(graph_def: GraphDef) -> Interface:
    return find_interface(graph_def, "x.pb")


def refuse(graph_def: GraphDef, match: str) -> None:
    with pytest.raises(InputError, match=match):
        find(graph_def)


@pytest.mark.parametrize("fixture", ["fp32_graph", "int8_graph"])
def test_our_own_graphs(request: pytest.FixtureRequest, fixture: str) -> None:
    expected = Interface("input_tensor", "softmax_tensor", 32, 11, FLOAT32)
    assert find(request.getfixturevalue(fixture)) == expected


def test_other_names_are_found() -> None:
    graph_def = build(lambda images: tf.nn.softmax(classify(images), name="scores"))
    assert find(graph_def) == Interface("images", "scores", 32, 7, FLOAT32)


def test_logits_are_an_output() -> None:
    assert find(build(classify)).output_name == "logits"


def test_an_open_image_size_is_imagenets() -> None:
    assert find(build(classify, (None, None, None, 3))).image_size == 224


def test_a_fixed_batch_is_no_obstacle() -> None:
    assert find(build(classify, (64, 32, 32, 3))).image_size == 32


def test_a_batch_that_is_fixed_inside_the_graph_is_one() -> None:
    refuse(build(lambda images: tf.reshape(classify(images), [64, 7]), (64, 32, 32, 3)), "cannot take this graph")


def argmax(images: tf.Tensor) -> object:
    return tf.argmax(tf.nn.softmax(classify(images), name="scores"), axis=1)


def argmax_of_logits(images: tf.Tensor) -> object:
    logits = classify(images)
    return tf.nn.softmax(logits, name="scores"), tf.argmax(logits, axis=1)


def identity(images: tf.Tensor) -> object:
    return tf.identity(tf.identity(tf.nn.softmax(classify(images), name="scores")))


def misnamed(images: tf.Tensor) -> object:
    return tf.identity(tf.nn.softmax(classify(images), name="scores"), name="softmax_tensor")


def unread_placeholder(images: tf.Tensor) -> object:
    tf.compat.v1.placeholder(tf.bool, [], name="is_training")
    return tf.nn.softmax(classify(images), name="scores")


@pytest.mark.parametrize("make", [argmax, argmax_of_logits, identity, misnamed, unread_placeholder])
def test_the_probabilities_are_found_behind_what_surrounds_them(make: Callable[[tf.Tensor], object]) -> None:
    assert find(build(make)).output_name == "scores"


def test_the_conventional_name_decides_between_outputs() -> None:
    def two_heads(images: tf.Tensor) -> object:
        return tf.nn.softmax(classify(images), name="softmax_tensor"), tf.nn.softmax(
            classify(images, "b"), name="other"
        )

    assert find(build(two_heads)).output_name == "softmax_tensor"


def test_two_outputs_are_named() -> None:
    def two_heads(images: tf.Tensor) -> object:
        return classify(images, "one"), classify(images, "other")

    refuse(
        build(two_heads), r"x\.pb: outputs found: one, other: pass a graph with one, or with one named softmax_tensor"
    )


def test_no_output() -> None:
    refuse(build(lambda _: None), "outputs found: none")


def test_two_placeholders_that_the_output_needs_are_named() -> None:
    def flag(images: tf.Tensor) -> object:
        return classify(images) * tf.compat.v1.placeholder(tf.float32, [], name="keep")

    refuse(build(flag), r"placeholders that \w+ needs: images, keep: pass a graph with one, the images")


def test_no_placeholder() -> None:
    graph_def = build(lambda images: tf.nn.relu(tf.constant([[1.0, 2.0]]), name="out"))
    refuse(graph_def, "placeholders that out needs: none")


SHAPES = [
    ((None, 3, 32, 32), r"has the shape \[-1, 3, 32, 32\], not \[N, S, S, 3\]: pass a graph that takes NHWC images"),
    ((None, 32, 48, 3), "has the shape .* not"),
    ((None, 32, 32, 1), "has the shape .* not"),
    ((None, 32, 32, None), "has the shape .* not"),
    ((None, 3), "has the shape .* not"),
    (None, r"has the shape \[\], not"),
    ((None, 4096, 4096, 3), "takes images of 4096 pixels, not 1 to 2048"),
]


@pytest.mark.parametrize(("shape", "match"), SHAPES)
def test_inputs_that_are_no_images(shape: Any, match: str) -> None:
    refuse(build(lambda images: tf.nn.relu(images, name="out"), shape), f"input images {match}")


def test_pixels_that_are_not_preprocessed() -> None:
    refuse(build(classify, dtype=tf.uint8), "input images takes no float32: pass a graph of preprocessed images")


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda images: tf.nn.relu(images, name="out"), r"\[1, 32, 32, 3\]"),
        (lambda images: tf.reduce_mean(images, [1, 2, 3], name="out"), r"\[1\]"),
        (lambda images: tf.reduce_mean(images, [0, 1], name="out"), r"\[32, 3\]"),
        (lambda images: tf.reduce_mean(images, [1, 2])[:, :1], r"\[1, 1\]"),
        (lambda images: tf.cast(classify(images), tf.int32), r"\[1, 7\]"),
    ],
)
def test_outputs_that_are_no_classes(make: Callable[[tf.Tensor], object], shape: str) -> None:
    refuse(build(make), rf"output \w+ has the shape {shape} for one image, not \[1, classes\] of floats")


def test_a_cut_that_leaves_a_whole_graph_of_logits_is_noticed() -> None:
    graph_def = build(classify)
    graph_def.ClearField("versions")
    refuse(graph_def, r"x\.pb ends in logits, which is no Softmax, and its last record \(versions\) is missing")


def test_tools_that_write_no_versions_are_believed_when_they_end_in_a_softmax() -> None:
    graph_def = build(lambda images: tf.nn.softmax(classify(images), name="scores"))
    graph_def.ClearField("versions")
    assert find(graph_def).output_name == "scores"


def test_the_given_graph_stays_as_it_was(fp32_graph: GraphDef) -> None:
    before = fp32_graph.SerializeToString(deterministic=True)
    find(fp32_graph)
    assert fp32_graph.SerializeToString(deterministic=True) == before


def bfloat16_head(images: tf.Tensor) -> object:
    return tf.nn.softmax(tf.cast(classify(images), tf.bfloat16), name="scores")


def test_the_type_of_the_output_is_told() -> None:
    assert find(build(bfloat16_head)).output_type == BFLOAT16


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda images: tf.nn.softmax(classify(images), name="out"), True),
        (lambda images: tf.reshape(tf.nn.softmax(classify(images)), [-1, 7], name="out"), True),
        (lambda images: tf.cast(tf.nn.softmax(classify(images)), tf.bfloat16, name="out"), True),
        (lambda images: classify(images, name="out"), False),
        (lambda images: tf.identity(images, name="out"), False),
    ],
)
def test_probabilities_are_told_from_logits(make: Callable[[tf.Tensor], object], *, expected: bool) -> None:
    assert is_probability(EditableGraph(build(make)), "out") is expected


def convolution(images: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(images, tf.ones([1, 1, 3, 2], images.dtype), 1, "SAME")


@pytest.mark.parametrize(
    ("make", "precision"),
    [
        (convolution, Precision.FP32),
        (lambda images: convolution(tf.cast(images, tf.bfloat16)), Precision.BF16),
        (lambda images: convolution(tf.quantization.fake_quant_with_min_max_vars(images, -1, 1)), Precision.INT8),
        (classify, None),
    ],
)
def test_the_convolutions_tell_the_precision(make: Callable[[tf.Tensor], object], precision: Precision | None) -> None:
    with tf.Graph().as_default() as graph:
        make(tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3]))
    assert find_precision(graph.as_graph_def()) is precision


def test_quantized_convolutions_are_int8(int8_graph: GraphDef) -> None:
    assert find_precision(int8_graph) is Precision.INT8


def test_a_placeholder_takes_a_new_shape(fp32_graph: GraphDef) -> None:
    placeholder = EditableGraph(fp32_graph).nodes["input_tensor"]
    set_image_shape(placeholder, -1, 99)
    assert [dimension.size for dimension in placeholder.attr["shape"].shape.dim] == [-1, 99, 99, 3]
