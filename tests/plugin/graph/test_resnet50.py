from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from resnet_fixtures.graph.freeze import OUTPUT_NAME, freeze
from resnet_fixtures.graph.frozen import transform_for_inference
from resnet_fixtures.graph.resnet50 import Architecture, resnet50
from resnet_fixtures.graph.weights import stored_weights

if TYPE_CHECKING:
    from tests.plugin.graph.conftest import Runner

Arrays = dict[str, npt.NDArray[np.float32]]


class Convolution(NamedTuple):
    name: str
    kernel: int
    stride: int
    channels: int
    filters: int
    output_size: int
    relu: bool


class Shape(NamedTuple):
    """Stands for a tensor: pixels of a side, and channels."""

    size: int
    channels: int


class RecordingLayers:
    """Writes down what the architecture asks for."""

    def __init__(self) -> None:
        self.convolutions: list[Convolution] = []
        self.additions: list[str] = []
        self.dense_shape = (0, 0)

    def convolution(self, images: Shape, name: str, filters: int, kernel: int, stride: int, *, relu: bool) -> Shape:
        size = (images.size + 2 * (kernel // 2) - kernel) // stride + 1
        self.convolutions.append(Convolution(name, kernel, stride, images.channels, filters, size, relu))
        return Shape(size, filters)

    def max_pool(self, images: Shape) -> Shape:
        return Shape((images.size + 2 - 3) // 2 + 1, images.channels)

    def add_relu(self, residual: Shape, shortcut: Shape, name: str) -> Shape:
        assert residual == shortcut
        self.additions.append(name)
        return residual

    def average_pool(self, images: Shape) -> Shape:
        assert images.size == 7
        return Shape(1, images.channels)

    def dense(self, features: Shape, name: str, classes: int) -> Shape:
        self.dense_shape = (features.channels, classes)
        return Shape(1, classes)


@pytest.fixture(scope="module")
def layers() -> RecordingLayers:
    recording = RecordingLayers()
    resnet50(recording, Shape(224, 3), Architecture(classes=1000))
    return recording


def test_it_has_53_convolutions_in_16_blocks(layers: RecordingLayers) -> None:
    assert len(layers.convolutions) == 53
    assert len(layers.additions) == 16
    assert layers.dense_shape == (2048, 1000)


def test_v1_5_strides_sit_in_the_3x3_convolution_and_in_the_projection(layers: RecordingLayers) -> None:
    assert [convolution.name for convolution in layers.convolutions if convolution.stride == 2] == [
        "conv1",
        "stage3/block1/projection", "stage3/block1/conv2",
        "stage4/block1/projection", "stage4/block1/conv2",
        "stage5/block1/projection", "stage5/block1/conv2",
    ]  # fmt: skip
    assert {convolution.kernel for convolution in layers.convolutions if convolution.name.endswith("conv2")} == {3}


def test_only_what_is_added_to_a_shortcut_has_no_relu_of_its_own(layers: RecordingLayers) -> None:
    linear = {convolution.name.rpartition("/")[2] for convolution in layers.convolutions if not convolution.relu}
    assert linear == {"conv3", "projection"}


def test_parameters_are_those_of_the_published_model(layers: RecordingLayers) -> None:
    kernels = sum(c.kernel**2 * c.channels * c.filters for c in layers.convolutions)
    norms = sum(2 * c.filters for c in layers.convolutions)
    assert kernels + norms + 2048 * 1000 + 1000 == 25_557_032


def test_an_image_takes_4_1_billion_multiplications(layers: RecordingLayers) -> None:
    convolutions = sum(c.output_size**2 * c.kernel**2 * c.channels * c.filters for c in layers.convolutions)
    assert convolutions + 2048 * 1000 == 4_089_184_256


def test_architecture_is_what_a_cache_key_needs() -> None:
    assert Architecture(width=8).as_dict() == {"width": 8, "classes": 1001, "image_size": 224}


@pytest.mark.parametrize("form", ["raw", "transformed"])
def test_logits_agree_with_torchvision(torchvision_arrays: Arrays, run: Runner, form: str) -> None:
    """The same weights in an independent implementation, strides and paddings mapped as they are."""
    graph_def = freeze(Architecture(classes=1000), stored_weights(torchvision_arrays))
    if form == "transformed":
        graph_def, _ = transform_for_inference(graph_def, OUTPUT_NAME)
    expected = torchvision_arrays["logits"]
    logits = run(graph_def, torchvision_arrays["images"], "dense/logits")
    difference = np.abs(logits - expected).max() / np.ptp(expected, axis=1).min()
    print(f"{form}: largest difference of a logit, relative to their spread: {difference:.2e}")  # noqa: T201 - for -s
    assert difference < 1e-4


@pytest.fixture(scope="module")
def torchvision_arrays(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    if find_spec("torch") is None or find_spec("torchvision") is None:
        pytest.skip("the independent check needs torch and torchvision: pip install 'resnet-fixtures[torch]'")
    path = tmp_path_factory.mktemp("torchvision") / "resnet50.npz"
    script = Path(__file__).with_name("torchvision_resnet50.py")
    subprocess.run([sys.executable, str(script), str(path)], check=True, timeout=300)
    with np.load(path) as file:
        return {name: file[name] for name in file.files}
