"""Small graphs, and what runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pytest

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.graph.freeze import INPUT_NAME, OUTPUT_NAME, freeze
from resnet_fixtures.graph.quantize import quantize
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights

if TYPE_CHECKING:
    from pathlib import Path

    import tensorflow as tf

    from resnet_fixtures.graph.weights import Weight

Array = npt.NDArray[np.float32]


class Runner(Protocol):
    def __call__(
        self, graph_def: tf.compat.v1.GraphDef, images: Array, output: str = OUTPUT_NAME, input_name: str = INPUT_NAME
    ) -> Array: ...


class GraphWriter(Protocol):
    def __call__(self, graph_def: tf.compat.v1.GraphDef) -> Path: ...


@pytest.fixture(scope="session")
def run() -> Runner:
    """Run a graph once in a session of its own."""
    import tensorflow as tf

    def execute(
        graph_def: tf.compat.v1.GraphDef, images: Array, output: str = OUTPUT_NAME, input_name: str = INPUT_NAME
    ) -> Array:
        with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
            tf.graph_util.import_graph_def(graph_def, name="")
            result: Array = session.run(f"{output}:0", {f"{input_name}:0": images})
            return result

    return execute


@pytest.fixture
def write(tmp_path: Path) -> GraphWriter:
    """Write a graph to a file."""

    def write_file(graph_def: tf.compat.v1.GraphDef) -> Path:
        path = tmp_path / "graph.pb"
        path.write_bytes(graph_def.SerializeToString())
        return path

    return write_file


@pytest.fixture(scope="session")
def architecture() -> Architecture:
    return Architecture(width=4, classes=11, image_size=32)


@pytest.fixture(scope="session")
def images() -> Array:
    return dummy_images(3, 32)


@pytest.fixture(scope="session")
def fp32_graph(architecture: Architecture) -> tf.compat.v1.GraphDef:
    """Freeze seeded weights that leave the probabilities spread over the classes, so that differences show."""
    draw = random_weights(0)

    def draw_mildly(name: str, shape: tuple[int, ...]) -> Weight:
        return draw(name, shape) * np.float32(0.01 if name == "conv1/kernel" else 1)

    return freeze(architecture, draw_mildly)


@pytest.fixture(scope="session")
def int8_graph(fp32_graph: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    """Quantize the small graph once, on 20 images."""
    return quantize(fp32_graph, INPUT_NAME, OUTPUT_NAME, [dummy_images(10, 32, seed) for seed in (1, 2)])
