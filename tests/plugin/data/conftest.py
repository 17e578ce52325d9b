"""Photographs and data sets, made on the spot from scikit-learn's two sample images."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from resnet_fixtures.data.records import make_example, write_records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt


class JpegMaker(Protocol):
    def __call__(self, height: int, width: int, channels: int = 3) -> bytes: ...


class SizeForger(Protocol):
    def __call__(self, height: int, width: int) -> bytes: ...


class RecordsWriter(Protocol):
    def __call__(self, name: str, jpegs: Sequence[bytes], first_label: int = 1) -> Path: ...


@pytest.fixture(scope="session")
def photograph() -> npt.NDArray[np.uint8]:
    """Side by side, china.jpg and flower.jpg: 427 rows, 1280 columns, RGB."""
    import tensorflow as tf

    images = resources.files("sklearn.datasets.images")
    decoded = [tf.io.decode_jpeg((images / name).read_bytes()).numpy() for name in ("china.jpg", "flower.jpg")]
    both: npt.NDArray[np.uint8] = np.concatenate(decoded, axis=1)
    return both


@pytest.fixture(scope="session")
def make_jpeg(photograph: npt.NDArray[np.uint8]) -> JpegMaker:
    """Cut a JPEG of any size up to 427x1280 out of the photographs, from the middle of their height."""
    import tensorflow as tf

    def make(height: int, width: int, channels: int = 3) -> bytes:
        top, left = (427 - height) // 2, (1280 - width) // 3
        pixels = photograph[top : top + height, left : left + width, :channels]
        encoded: bytes = tf.io.encode_jpeg(pixels, quality=90).numpy()
        return encoded

    return make


@pytest.fixture(scope="session")
def jpegs(make_jpeg: JpegMaker) -> tuple[bytes, ...]:
    """Seven different images: landscape, portrait, square, tiny, one greyscale."""
    sizes = ((60, 91), (91, 60), (64, 64, 1), (33, 47), (8, 9), (73, 50), (40, 40))
    return tuple(make_jpeg(*size) for size in sizes)


@pytest.fixture(scope="session")
def forge_size(make_jpeg: JpegMaker) -> SizeForger:
    """Make a small JPEG whose frame header declares any size.

    The header is the marker, its length (2 bytes), the precision (1), the height (2) and the width (2).
    """
    jpeg = make_jpeg(40, 30)
    at = jpeg.index(b"\xff\xc0") + 5

    def forge(height: int, width: int) -> bytes:
        return jpeg[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + jpeg[at + 4 :]

    return forge


@pytest.fixture
def write_jpegs(tmp_path: Path) -> RecordsWriter:
    """Write a TFRecord file of JPEGs, labelled from `first_label` on and named after the label."""

    def write(name: str, jpegs: Sequence[bytes], first_label: int = 1) -> Path:
        labels = range(first_label, first_label + len(jpegs))
        examples = (
            make_example(jpeg, label, f"image_{label}.JPEG", (1, 1, 3))
            for jpeg, label in zip(jpegs, labels, strict=True)
        )
        write_records(tmp_path / name, examples)
        return tmp_path / name

    return write


@pytest.fixture
def folder(tmp_path: Path, write_jpegs: RecordsWriter, jpegs: tuple[bytes, ...]) -> Path:
    """Write a validation split of seven images, labels 1 to 7, four in the first file and three in the second."""
    write_jpegs("validation-00000-of-00002", jpegs[:4])
    write_jpegs("validation-00001-of-00002", jpegs[4:], first_label=5)
    return tmp_path
