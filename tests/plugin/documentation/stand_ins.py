"""What a reader has and a test does not: published graphs and ImageNet, tiny ones of the same form."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.graph.embedded import convert
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

ANSWER = 713  # the class that the graphs see in every image, and the label of every image
VALIDATION_IMAGES = 130  # more than the default batch of 128, and no multiple of 100
TRAINING_IMAGES = 100  # as many as `quantize` takes
JPEG_FILES = 20


def write_graphs(folder: Path) -> None:
    """Write int8.pb, fp32.pb and bf16.pb: ResNet-50 v1.5 at a sixteenth of the width, always of the same mind."""
    graph_def = freeze(Architecture(width=4), make_certain_weights)
    for precision in Precision:
        converted = convert(graph_def, precision, (dummy_images(4),))
        # The same bytes in every run, so that the proof of the kernels is found in the cache.
        (folder / f"{precision}.pb").write_bytes(converted.SerializeToString(deterministic=True))


def make_certain_weights(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Give seeded weights, with a bias for one class that no image outweighs."""
    weights = random_weights(0)(name, shape)
    if name == "dense/bias":
        weights = np.where(np.arange(*shape) == ANSWER, np.float32(100), weights)
    return weights


def write_imagenet(folder: Path) -> None:
    """Write a train and a validation split as TFRecords."""
    folder.mkdir()
    write_split(folder, "train", TRAINING_IMAGES)
    write_split(folder, "validation", VALIDATION_IMAGES)


def write_jpegs(folder: Path) -> None:
    """Write a folder of JPEGs with the names of ImageNet's first ones."""
    folder.mkdir()
    for name, jpeg in cut_photographs(JPEG_FILES):
        (folder / name).write_bytes(jpeg)


def write_split(folder: Path, split: str, images: int) -> None:
    """Write the images in two TFRecord files."""
    examples = [make_example(jpeg, ANSWER, name, (60, 80, 3)) for name, jpeg in cut_photographs(images)]
    write_records(folder / f"{split}-00000-of-00002", examples[: images // 2])
    write_records(folder / f"{split}-00001-of-00002", examples[images // 2 :])


def cut_photographs(number: int) -> Iterator[tuple[str, bytes]]:
    """Cut small JPEGs out of scikit-learn's two photographs, each with a name of ImageNet's."""
    import tensorflow as tf

    folder = resources.files("sklearn.datasets.images")
    photographs = [tf.io.decode_jpeg((folder / name).read_bytes()) for name in ("china.jpg", "flower.jpg")]
    for index in range(number):
        pixels = photographs[index % 2][3 * (index % 100) :, 2 * index :][:60, :80]
        yield f"ILSVRC2012_val_{index + 1:08}.JPEG", tf.io.encode_jpeg(pixels).numpy()
