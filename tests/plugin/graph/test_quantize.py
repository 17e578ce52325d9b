from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.data.imagenet import find_split
from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.graph import quantize as module
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.quantize import CalibrationImages, CalibrationLoader, main
from resnet_fixtures.precision import Precision
from tests.plugin.lazy_tensorflow import GraphDef, tf

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.graph.conftest import Array, GraphWriter, Runner


def make_jpegs(count: int) -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (count, 5, 5, 3), np.uint8).repeat(9, 1).repeat(9, 2)
    return [tf.io.encode_jpeg(image).numpy() for image in pixels]


def write_split(folder: Path, split: str, count: int, spoil: Callable[[bytes], bytes] = bytes) -> None:
    examples = [
        make_example(spoil(jpeg), number % 10 + 1, f"{number}.JPEG", (45, 45, 3))
        for number, jpeg in enumerate(make_jpegs(count))
    ]
    write_records(folder / f"{split}-00000-of-00001", examples)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_every_convolution_and_the_dense_layer_are_quantized(int8_graph: GraphDef) -> None:
    operations = Counter(node.op for node in int8_graph.node)
    convolutions = {op: number for op, number in operations.items() if "Conv2D" in op}
    assert sum(convolutions.values()) == 53
    assert all(op.startswith("QuantizedConv2DWithBias") and op.endswith("AndRequantize") for op in convolutions)
    assert operations["QuantizedMatMulWithBiasAndDequantize"] == 1
    assert not {"Conv2D", "FusedBatchNormV3", "MatMul", "BiasAdd"} & set(operations)


def test_probabilities_stay_close_to_fp32(fp32_graph: GraphDef, int8_graph: GraphDef, run: Runner) -> None:
    """So few channels lose more than a real network's do; far less, still, than what tells the classes apart."""
    images = dummy_images(16, 32, seed=9)
    expected, found = run(fp32_graph, images), run(int8_graph, images)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).sum(axis=1).mean() < 0.2
    assert np.abs(found - 1 / 11).sum(axis=1).mean() > 0.6


def test_the_version_that_a_cut_file_would_miss_is_there(fp32_graph: GraphDef, int8_graph: GraphDef) -> None:
    assert int8_graph.versions == fp32_graph.versions


def test_the_loader_is_what_neural_compressor_reads() -> None:
    batches = [np.zeros((4, 8, 8, 3), np.float32)] * 3
    loader = CalibrationLoader(batches)
    assert (len(loader), loader.batch_size) == (3, 4)
    assert [(images.shape, labels) for images, labels in loader] == [((4, 8, 8, 3), None)] * 3


@pytest.mark.parametrize(("images", "sizes"), [(20, [20]), (8, [4, 4]), (15, [5, 5, 5]), (3, [1, 1, 1])])
def test_calibration_batches_are_of_one_size(data: Path, images: int, sizes: list[int]) -> None:
    write_split(data, "train", 22)
    batches = CalibrationImages(find_split(data, "train"), 32, 11, images)
    assert len(batches) == len(sizes)
    assert [len(batch) for batch in batches] == sizes
    assert {batch.shape[1:] for batch in batches} == {(32, 32, 3)}


@pytest.mark.usefixtures("warm_children")
def test_the_command_makes_a_graph_that_loads(
    fp32_graph: GraphDef, write: GraphWriter, data: Path, tmp_path: Path, images: Array, run: Runner
) -> None:
    write_split(data, "calibration", 12)
    in_graph, out = write(fp32_graph), tmp_path / "out" / "int8.pb"
    (tmp_path / "cwd").mkdir()
    command = [sys.executable, "-m", "resnet_fixtures.graph.quantize", "--in-graph", str(in_graph), "--images", "10"]
    result = subprocess.run(
        [*command, "--data-location", str(data), "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])},
        cwd=tmp_path / "cwd", capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    expected = f"{out}: int8 graph of {in_graph}, calibrated on 10 images of the "
    assert result.stdout.splitlines()[-1].startswith(expected)
    assert list((tmp_path / "cwd").iterdir()) == []
    loaded = load_frozen_graph(out, Precision.INT8)
    assert sum(node.op.startswith("QuantizedConv2D") for node in loaded.graph_def.node) == 53
    assert not any(node.op in ("Conv2D", "MatMul") for node in loaded.graph_def.node)
    np.testing.assert_allclose(run(loaded.graph_def, images), run(fp32_graph, images), atol=0.2)


def test_a_graph_for_another_machine_is_written_where_int8_does_not_run(
    fp32_graph: GraphDef, write: GraphWriter, data: Path, tmp_path: Path
) -> None:
    write_split(data, "calibration", 2)
    out = tmp_path / "int8.pb"
    arguments = ["--in-graph", str(write(fp32_graph)), "--data-location", str(data), "--out", str(out), "--images=2"]
    result = subprocess.run(
        [sys.executable, "-m", "resnet_fixtures.graph.quantize", *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2]), "TF_ENABLE_ONEDNN_OPTS": "0"},
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "; it was not run, as TensorFlow" in result.stdout.splitlines()[-1]
    assert load_frozen_graph(out, Precision.INT8).classes == 11


class Refusal:
    """Runs the command in this process on input that it refuses."""

    def __init__(self, in_graph: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.in_graph, self.data, self._capsys = in_graph, data, capsys
        self.out = data.parent / "int8.pb"

    def __call__(self, *options: str) -> str:
        arguments = ["--in-graph", self.in_graph, "--data-location", self.data, "--out", self.out]
        with pytest.raises(SystemExit, match=r"^4$"):
            main([*map(str, arguments), *options])
        assert not self.out.exists()
        return self._capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def refusal(fp32_graph: GraphDef, write: GraphWriter, data: Path, capsys: pytest.CaptureFixture[str]) -> Refusal:
    return Refusal(write(fp32_graph), data, capsys)


def test_a_missing_graph(refusal: Refusal, tmp_path: Path) -> None:
    refusal.in_graph = tmp_path / "absent.pb"
    assert f"error: --in-graph {tmp_path}/absent.pb cannot be read" in refusal()


def test_a_graph_that_is_int8_already(refusal: Refusal, int8_graph: GraphDef, write: GraphWriter) -> None:
    refusal.in_graph = write(int8_graph)
    assert f"--in-graph {refusal.in_graph} computes in int8: pass an fp32 graph." in refusal()


def test_a_folder_to_write_to(refusal: Refusal, tmp_path: Path) -> None:
    refusal.out = tmp_path / "folder"
    assert f"--out {tmp_path} is a folder: name the file to write." in refusal("--out", str(tmp_path))


def test_a_location_without_images(refusal: Refusal) -> None:
    assert f"The data location {refusal.data} is empty" in refusal()


@pytest.mark.parametrize("images", ["0", "-5", "13"])
def test_a_number_of_images_that_is_not_there(refusal: Refusal, data: Path, images: str) -> None:
    write_split(data, "validation", 12)
    expected = f"--images {images} is not between 1 and the 12 images of validation in {data}: pass another number."
    assert expected in refusal("--images", images)


@pytest.mark.parametrize(
    ("splits", "chosen"), [(("train", "validation"), "train"), (("calibration", "train"), "calibration")]
)
def test_calibration_images_come_from_where_no_accuracy_is_measured(
    refusal: Refusal, data: Path, splits: tuple[str, ...], chosen: str
) -> None:
    for split in splits:
        write_split(data, split, 2)
    assert f"the 2 images of {chosen} in {data}" in refusal("--images", "99")


def test_a_damaged_split_is_not_passed_over(refusal: Refusal, data: Path) -> None:
    write_split(data, "validation", 12)
    write_split(data, "train", 2)
    path = data / "train-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-9])
    assert "train-00000-of-00001" in refusal()


def test_a_corrupt_image_is_named(refusal: Refusal, data: Path) -> None:
    write_split(data, "train", 4, spoil=lambda jpeg: jpeg[:90])
    assert "train-00000-of-00001" in refusal("--images", "4")


def test_a_corrupt_image_behind_the_first_batch_is_named(refusal: Refusal, data: Path) -> None:
    whole = make_jpegs(6)
    examples = [make_example(jpeg, 1, "a.JPEG", (45, 45, 3)) for jpeg in [*whole[:5], whole[5][:90]]]
    write_records(data / "train-00000-of-00001", examples)
    assert "train-00000-of-00001, record 6" in refusal("--images", "6")


def test_weights_that_are_not_finite(refusal: Refusal, fp32_graph: GraphDef, write: GraphWriter, data: Path) -> None:
    write_split(data, "train", 4)
    broken = type(fp32_graph)()
    broken.CopyFrom(fp32_graph)
    kernel = next(node for node in broken.node if node.name == "dense/kernel").attr["value"].tensor
    kernel.tensor_content = b"\xff" * len(kernel.tensor_content)  # not a number
    refusal.in_graph = write(broken)
    assert "dense/kernel is not finite: pass a graph with whole weights." in refusal("--images", "4")


def classify(convolve: Callable[[tf.Tensor], tf.Tensor]) -> GraphDef:
    """Build a graph of one convolution and a dense layer for images of 32 pixels."""
    with tf.Graph().as_default() as graph:
        features = convolve(tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3], name="images"))
        kernel = np.random.default_rng(0).normal(0, 0.003, (16, 11)).astype(np.float32)
        tf.nn.softmax(tf.matmul(tf.reduce_mean(features, [1, 2]), kernel), name="softmax_tensor")
    return graph.as_graph_def()


KERNEL = np.random.default_rng(1).normal(size=(3, 3, 3, 16)).astype(np.float32)


def test_explicit_paddings_are_quantized(run: Runner) -> None:
    paddings = [[0, 0], [1, 1], [1, 1], [0, 0]]
    graph_def = classify(lambda images: tf.nn.conv2d(images, KERNEL, 2, paddings))
    int8 = module.quantize(graph_def, "images", "softmax_tensor", [dummy_images(4, 32)])
    assert any(node.op.startswith("QuantizedConv2D") for node in int8.node)
    images = dummy_images(3, 32, seed=1)
    expected, found = (run(graph, images, "softmax_tensor", "images") for graph in (graph_def, int8))
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_a_graph_in_nchw(refusal: Refusal, write: GraphWriter) -> None:
    def convolve(images: tf.Tensor) -> tf.Tensor:
        convolved = tf.nn.conv2d(tf.transpose(images, [0, 3, 1, 2]), KERNEL, 1, "SAME", "NCHW", name="conv")
        return tf.transpose(convolved, [0, 2, 3, 1])

    refusal.in_graph = write(classify(convolve))
    reason = "node conv has the layout NCHW, which neural-compressor cannot quantize: pass a graph in NHWC."
    assert f"error: --in-graph {refusal.in_graph}: {reason}" in refusal()


def test_a_graph_that_neural_compressor_fails_with(
    refusal: Refusal, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> GraphDef:
        raise AttributeError("'NoneType' has no 'graph_def'\nand more")

    monkeypatch.setattr(module, "quantize", fail)
    write_split(data, "train", 2)
    reason = (
        "neural-compressor cannot quantize it (AttributeError: 'NoneType' has no 'graph_def'): pass an fp32 graph of"
    )
    assert f"error: --in-graph {refusal.in_graph}: {reason} plain convolutions" in refusal("--images", "2")


def test_a_graph_of_which_nothing_was_quantized(refusal: Refusal, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "quantize", lambda graph_def, *_: graph_def)
    write_split(data, "train", 2)
    reason = "neural-compressor quantized no convolution of it: pass an fp32 graph of plain convolutions"
    assert f"error: --in-graph {refusal.in_graph}: {reason}" in refusal("--images", "2")


def test_an_int8_graph_that_does_not_run_is_not_written(refusal: Refusal, data: Path, write: GraphWriter) -> None:
    """neural-compressor quantizes a convolution in groups, which TensorFlow has no quantized kernel for."""
    grouped = classify(lambda images: tf.nn.conv2d(tf.concat([images, images], -1), KERNEL, 1, "SAME"))
    refusal.in_graph = write(grouped)
    write_split(data, "train", 2)
    assert f"error: the int8 graph of {refusal.in_graph} does not run on TensorFlow" in refusal("--images", "2")


def test_labels_that_the_graph_does_not_have(refusal: Refusal, data: Path) -> None:
    jpeg = make_jpegs(1)[0]
    write_records(data / "train-00000-of-00001", [make_example(jpeg, 11, "a.JPEG", (45, 45, 3))])
    assert "train-00000-of-00001" in refusal("--images", "1")


def test_a_number_that_is_none(refusal: Refusal) -> None:
    assert "--images: invalid int value: 'many'" in refusal("--images", "many")


def test_an_output_that_cannot_be_written(
    refusal: Refusal, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "quantize", lambda *_: pytest.fail("refused too late"))
    write_split(data, "train", 2)
    refusal.out = tmp_path / "graph.pb" / "int8.pb"  # below a file
    assert f"{tmp_path}/graph.pb is no folder: pass a folder that you may write to" in refusal("--images", "2")
