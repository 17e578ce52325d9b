"""Small photographs, and graphs whose answers plain numpy can compute."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from resnet_fixtures.accuracy.predictions import Predictions
from resnet_fixtures.data.imagenet import Split, find_split
from resnet_fixtures.data.preprocess import Preprocessing, decode_and_preprocess
from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.graph.frozen import FrozenGraph
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    import tensorflow as tf

    Floats = npt.NDArray[np.float32]

IMAGES = 23
SIDE = 16


class SplitWriter(Protocol):
    def __call__(self, labels: Sequence[int], jpegs: Sequence[bytes] = ...) -> Split: ...


class Preparer(Protocol):
    def __call__(self, preprocessing: Preprocessing) -> Floats: ...


class GraphMaker(Protocol):
    def __call__(self, weights: Floats, bias: Floats, answers: Floats | None = None) -> FrozenGraph: ...


class PredictionsMaker(Protocol):
    def __call__(self, ranks: Sequence[int]) -> Predictions: ...


@pytest.fixture(scope="session")
def plan() -> ThreadPlan:
    return ThreadPlan((0,), intra=1, inter=1, data_intra=2, data_inter=1, quota=None, sockets=(0,), nodes=(0,))


@pytest.fixture(scope="session")
def preprocessing() -> Preprocessing:
    return Preprocessing.for_image_size(SIDE)


@pytest.fixture(scope="session")
def jpegs() -> tuple[bytes, ...]:
    """Cut landscapes and portraits out of scikit-learn's flower, no two of the same place or size."""
    import tensorflow as tf

    flower = tf.io.decode_jpeg((resources.files("sklearn.datasets.images") / "flower.jpg").read_bytes()).numpy()
    corners = [(12 * number, 20 * number, 40 + 3 * number, 100 - 2 * number) for number in range(IMAGES)]
    return tuple(tf.io.encode_jpeg(flower[y : y + h, x : x + w], quality=95).numpy() for y, x, h, w in corners)


@pytest.fixture(scope="session")
def prepare(jpegs: tuple[bytes, ...]) -> Preparer:
    """Preprocess the photographs one by one and lay them out as rows, [IMAGES, SIDE * SIDE * 3]."""

    @cache
    def prepare(preprocessing: Preprocessing) -> Floats:
        return np.stack([decode_and_preprocess(jpeg, preprocessing).numpy().ravel() for jpeg in jpegs])

    return prepare


@pytest.fixture
def write_split(tmp_path: Path, jpegs: tuple[bytes, ...]) -> SplitWriter:
    """Write the photographs with these labels, ten in the first file and the others in the second."""

    def write(labels: Sequence[int], jpegs: Sequence[bytes] = jpegs) -> Split:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        examples = [
            make_example(jpeg, label, f"image, {number}.JPEG", (1, 1, 3))
            for number, (jpeg, label) in enumerate(zip(jpegs, labels, strict=True), start=1)
        ]
        write_records(folder / "validation-00000-of-00002", examples[:10])
        write_records(folder / "validation-00001-of-00002", examples[10:])
        return find_split(folder)

    return write


@pytest.fixture(scope="session")
def make_graph() -> GraphMaker:
    """Make a graph of one matrix product: softmax(x @ weights + bias), then `@ answers` if there are any."""
    import tensorflow as tf

    def make(weights: Floats, bias: Floats, answers: Floats | None = None) -> FrozenGraph:
        graph = tf.Graph()
        with graph.as_default():
            images = tf.compat.v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], name="input_tensor")
            logits = tf.matmul(tf.reshape(images, [-1, SIDE * SIDE * 3]), tf.constant(weights)) + tf.constant(bias)
            probabilities = tf.nn.softmax(logits)
            tf.identity(probabilities if answers is None else probabilities @ tf.constant(answers), "softmax_tensor")
        return freeze(graph.as_graph_def(), len(bias) if answers is None else answers.shape[1])

    return make


def freeze(graph_def: tf.compat.v1.GraphDef, classes: int) -> FrozenGraph:
    digest = hashlib.sha256(graph_def.SerializeToString(deterministic=True)).hexdigest()
    return FrozenGraph(graph_def, "input_tensor", "softmax_tensor", SIDE, classes, Precision.FP32, digest, "linear.pb")


@pytest.fixture(scope="session")
def make_predictions() -> PredictionsMaker:
    """Make the predictions of images whose labels got these ranks."""

    def make(ranks: Sequence[int]) -> Predictions:
        actual = np.arange(1, len(ranks) + 1)
        names = tuple(f"image_{label}.JPEG" for label in actual)
        return Predictions(names, actual, np.where(np.array(ranks) == 0, actual, 0), np.array(ranks, np.int64))

    return make
