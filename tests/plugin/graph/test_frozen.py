from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.bfloat16 import convert_to_bfloat16
from resnet_fixtures.graph.edit import FLOAT32, EditableGraph
from resnet_fixtures.graph.freeze import OUTPUT_NAME
from resnet_fixtures.graph.frozen import check_content, load_frozen_graph, transform_for_inference
from resnet_fixtures.precision import Precision
from tests.plugin.lazy_tensorflow import GraphDef, tf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import keras

    from tests.plugin.graph.conftest import Array, GraphWriter, Runner


def refuse(path: Path, match: str, precision: Precision = Precision.FP32) -> None:
    with pytest.raises(InputError, match=match) as caught:
        load_frozen_graph(path, precision)
    assert path.name in str(caught.value)


def count(graph_def: GraphDef) -> Counter[str]:
    return Counter(node.op for node in graph_def.node)


def list_boundaries(content: bytes) -> Iterator[int]:
    """Tell where each top-level field of a serialized message begins, and where the last one ends."""
    position = 0
    while position < len(content):
        yield position
        position += 1
        length = shift = 0
        while True:
            byte = content[position]
            length |= (byte & 127) << shift
            position, shift = position + 1, shift + 7
            if byte < 128:
                break
        position += length
    yield position


def test_a_graph_is_loaded_with_all_that_is_known_of_it(fp32_graph: GraphDef, write: GraphWriter) -> None:
    path = write(fp32_graph)
    graph = load_frozen_graph(path, Precision.FP32)
    assert (graph.input_name, graph.output_name) == ("input_tensor", "softmax_tensor")
    assert (graph.image_size, graph.classes, graph.precision) == (32, 11, Precision.FP32)
    assert graph.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert graph.origin == str(path)
    assert len(repr(graph)) < 500  # what pytest shows of it


def test_results_stay_the_same(fp32_graph: GraphDef, write: GraphWriter, images: Array, run: Runner) -> None:
    prepared = load_frozen_graph(write(fp32_graph), Precision.FP32).graph_def
    expected = run(fp32_graph, images, "dense/logits")
    assert np.abs(run(prepared, images, "dense/logits") - expected).max() < 1e-5 * np.ptp(expected)


def test_every_precision_loads_as_itself_and_as_no_other(
    fp32_graph: GraphDef, int8_graph: GraphDef, write: GraphWriter
) -> None:
    folded, _ = transform_for_inference(fp32_graph, OUTPUT_NAME)
    graphs = {
        Precision.FP32: fp32_graph,
        Precision.INT8: int8_graph,
        Precision.BF16: convert_to_bfloat16(folded, OUTPUT_NAME),
    }
    for found, graph_def in graphs.items():
        path = write(graph_def)
        assert load_frozen_graph(path, found).precision is found
        for asked in set(Precision) - {found}:
            refuse(path, f"computes in {found}, not in {asked}: pass it as --in-graph {found}=.*graph.pb", asked)


def test_int8_keeps_nothing_float_between_convolutions(int8_graph: GraphDef, write: GraphWriter) -> None:
    prepared = load_frozen_graph(write(int8_graph), Precision.INT8).graph_def
    operations = count(prepared)
    assert sum(number for op, number in operations.items() if op.startswith("QuantizedConv2D")) == 53
    assert [operations[op] for op in ("QuantizeV2", "Dequantize", "Pad", "Bitcast")] == [2, 1, 1, 2]


def test_logits_get_a_softmax(fp32_graph: GraphDef, write: GraphWriter, images: Array, run: Runner) -> None:
    logits = EditableGraph(fp32_graph).pruned("dense/logits")
    graph = load_frozen_graph(write(logits), Precision.FP32)
    assert graph.output_name == "dense/logits/softmax"
    np.testing.assert_allclose(run(graph.graph_def, images, graph.output_name), run(fp32_graph, images), rtol=1e-4)


def test_an_argmax_at_the_end_is_cut_off(fp32_graph: GraphDef, write: GraphWriter) -> None:
    graph = EditableGraph(fp32_graph)
    graph.nodes["softmax_tensor"].name = "scores"
    graph = EditableGraph(graph.pruned("softmax_tensor"))
    axis = graph.add_constant("axis", np.array(1, np.int32))
    graph.add("argmax", "ArgMax", ["scores", axis], T=FLOAT32, Tidx=3, output_type=9)
    loaded = load_frozen_graph(write(graph.pruned("argmax")), Precision.FP32)
    assert loaded.output_name == "scores"
    assert count(loaded.graph_def)["ArgMax"] == 0


@pytest.mark.parametrize("has_softmax", [True, False])
def test_other_floats_are_cast_and_no_softmax_comes_twice(
    fp32_graph: GraphDef, write: GraphWriter, images: Array, run: Runner, *, has_softmax: bool
) -> None:
    graph = EditableGraph(fp32_graph)
    graph.replace("softmax_tensor", "Cast", ["dense/logits"], SrcT=1, DstT=14)
    if has_softmax:
        graph.add("scores", "Softmax", ["softmax_tensor"], T=14)
    loaded = load_frozen_graph(write(graph.pruned("scores" if has_softmax else "softmax_tensor")), Precision.FP32)
    assert count(loaded.graph_def)["Softmax"] == 1
    probabilities = run(loaded.graph_def, images, loaded.output_name)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, run(fp32_graph, images), rtol=0.05)


def test_devices_and_compiler_hints_are_dropped(
    fp32_graph: GraphDef, write: GraphWriter, images: Array, run: Runner
) -> None:
    graph_def = EditableGraph(fp32_graph).pruned(OUTPUT_NAME)
    for node in graph_def.node:
        node.device = "/job:worker/replica:0/task:3/device:GPU:7"
        node.attr["_XlaMustCompile"].b = True
    np.testing.assert_array_equal(
        run(load_frozen_graph(write(graph_def), Precision.FP32).graph_def, images),
        run(transform_for_inference(fp32_graph, OUTPUT_NAME)[0], images),
    )


def test_a_graph_for_one_batch_size_takes_any(
    fp32_graph: GraphDef, write: GraphWriter, images: Array, run: Runner
) -> None:
    graph_def = EditableGraph(fp32_graph).pruned(OUTPUT_NAME)
    next(node for node in graph_def.node if node.op == "Placeholder").attr["shape"].shape.dim[0].size = 64
    loaded = load_frozen_graph(write(graph_def), Precision.FP32)
    assert run(loaded.graph_def, images).shape == (3, 11)


@pytest.fixture(scope="module")
def keras_model() -> keras.Model:
    """Two convolutions with batch norms, one with a bias of its own, and a shortcut."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    first = layers.Conv2D(8, 3, strides=2, use_bias=True, bias_initializer="normal")(layers.ZeroPadding2D(1)(inputs))
    shortcut = layers.ReLU()(layers.BatchNormalization()(first))
    second = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(shortcut))
    features = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.Add()([shortcut, second])))
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(features))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


def test_a_keras_export_is_folded_too(keras_model: keras.Model, write: GraphWriter, images: Array, run: Runner) -> None:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(lambda images: keras_model(images, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec([None, 32, 32, 3], tf.float32))
    frozen = convert_variables_to_constants_v2(concrete).graph.as_graph_def()
    assert count(frozen)["Rsqrt"] == 2
    loaded = load_frozen_graph(write(frozen), Precision.FP32)
    operations = count(loaded.graph_def)
    del operations["Const"]
    assert operations == {
        "Placeholder": 1, "Conv2D": 2, "BiasAdd": 3, "Relu": 2, "AddV2": 1, "Mean": 1, "MatMul": 1, "Softmax": 1
    }  # fmt: skip
    expected = keras_model(images, training=False).numpy()
    np.testing.assert_allclose(run(loaded.graph_def, images, loaded.output_name, "images"), expected, rtol=1e-4)


def test_a_file_of_text(tmp_path: Path) -> None:
    (tmp_path / "graph.pbtxt").write_text('node { name: "input_tensor" op: "Placeholder" }\n')
    refuse(tmp_path / "graph.pbtxt", "is no frozen GraphDef, or is truncated")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"\x00" * 100, b"PK\x03\x04", b"\x1f\x8b\x08"])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    refuse(tmp_path / "other", "holds no graph: pass a frozen|is no frozen GraphDef, or is truncated")


def test_a_saved_model(tmp_path: Path) -> None:
    module = tf.Module()
    module.f = tf.function(lambda x: x + 1, input_signature=[tf.TensorSpec([], tf.float32)])
    tf.saved_model.save(module, str(tmp_path))
    refuse(
        tmp_path / "saved_model.pb", "holds no graph: pass a frozen GraphDef .*, not a SavedModel|is no frozen GraphDef"
    )


def test_a_graph_without_convolutions(write: GraphWriter) -> None:
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3])
        tf.nn.softmax(tf.reduce_mean(images, [1, 2]))
    refuse(write(graph.as_graph_def()), "has no convolutions: pass a ResNet-50 graph")


def test_a_check_comes_before_tensorflow_sees_the_graph(
    fp32_graph: GraphDef, write: GraphWriter, tmp_path: Path
) -> None:
    graph_def = EditableGraph(fp32_graph).pruned(OUTPUT_NAME)
    node = graph_def.node.add(name="touch", op="WriteFile", input=["path", "path"])
    graph_def.node.add(name="path", op="Const").attr["value"].tensor.string_val.append(str(tmp_path / "evil").encode())
    refuse(write(graph_def), f"node {node.name} is a WriteFile, which touches files, network or Python")
    assert not (tmp_path / "evil").exists()


def test_every_cut_is_refused(fp32_graph: GraphDef, tmp_path: Path) -> None:
    """Wherever a download broke off; at the end of a node what is left is a whole GraphDef."""
    content = fp32_graph.SerializeToString()
    boundaries = list(list_boundaries(content))
    assert boundaries[-1] == len(content)
    offsets = {*boundaries[:-2:4], *boundaries[-20:-2]}  # -2: all nodes, no version
    offsets |= {end - 1 for end in boundaries[1::20]} | {start + 1 for start in boundaries[:-1:20]}
    offsets |= {int(offset) for offset in np.random.default_rng(0).integers(0, boundaries[-2], 40)}
    path = tmp_path / "cut.pb"
    for offset in sorted(offsets):
        path.write_bytes(content[:offset])
        refuse(path, "is truncated|holds no graph|has no convolutions|not there|outputs found|needs: none")


def test_a_cut_before_the_version_loses_nothing(
    fp32_graph: GraphDef, tmp_path: Path, images: Array, run: Runner
) -> None:
    """The one cut that passes: all nodes are there, and tools that leave the version out write the same."""
    content = fp32_graph.SerializeToString()
    path = tmp_path / "cut.pb"
    path.write_bytes(content[: list(list_boundaries(content))[-2]])
    loaded = load_frozen_graph(path, Precision.FP32)
    assert not loaded.graph_def.HasField("versions") or not loaded.graph_def.versions.producer
    expected = run(transform_for_inference(fp32_graph, OUTPUT_NAME)[0], images)
    np.testing.assert_array_equal(run(loaded.graph_def, images), expected)


def test_every_cut_of_a_quantized_graph_is_refused(int8_graph: GraphDef, tmp_path: Path) -> None:
    content = int8_graph.SerializeToString()
    path = tmp_path / "cut.pb"
    for offset in list(list_boundaries(content))[:-2:8]:
        path.write_bytes(content[:offset])
        with pytest.raises(InputError, match=r"cut\.pb"):
            load_frozen_graph(path, Precision.INT8)


def test_a_flipped_bit_never_ends_in_a_traceback(fp32_graph: GraphDef, tmp_path: Path) -> None:
    """Weights may differ unnoticed; everything else is told as an InputError."""
    content = bytearray(fp32_graph.SerializeToString())
    rng = np.random.default_rng(3)
    structure = [start + offset for start in list_boundaries(bytes(content)) for offset in range(60)]
    path = tmp_path / "flipped.pb"
    refused = 0
    for position in rng.choice([p for p in structure if p < len(content)], 60, replace=False):
        spoiled = bytearray(content)
        spoiled[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoiled)
        try:
            load_frozen_graph(path, Precision.FP32)
        except InputError:
            refused += 1
    assert refused > 20


def test_a_checked_graph_is_as_it_was_given(fp32_graph: GraphDef) -> None:
    """What quantization starts from: paddings and batch norms still apart."""
    graph_def, interface = check_content(fp32_graph.SerializeToString(), Precision.FP32, "x.pb")
    assert count(graph_def) == count(fp32_graph)
    assert (interface.input_name, interface.classes) == ("input_tensor", 11)


@pytest.mark.parametrize(
    ("operation", "shapes"), [("AddV2", [(2**20, 1), (1, 2**20)]), ("AddV2", [2, 3]), ("Conv2D", [])]
)
def test_what_the_output_does_not_need_is_not_computed(
    fp32_graph: GraphDef, write: GraphWriter, operation: str, shapes: list[tuple[int, ...] | int]
) -> None:
    """A sum of 4 TiB, one of shapes that do not fit, and a convolution of nothing."""
    graph = EditableGraph(fp32_graph)
    operands = [graph.add_constant(f"operand{n}", np.zeros(shape, np.float32)) for n, shape in enumerate(shapes)]
    graph.add("unread", operation, operands, T=FLOAT32)
    whole = type(fp32_graph)(node=graph.nodes.values(), versions=fp32_graph.versions)
    loaded = load_frozen_graph(write(whole), Precision.FP32).graph_def
    assert loaded == load_frozen_graph(write(fp32_graph), Precision.FP32).graph_def
