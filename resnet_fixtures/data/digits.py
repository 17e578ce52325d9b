"""Write scikit-learn's handwritten digits in ImageNet's layout, the embedded data set with something to learn."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.data.location import find_split
from resnet_fixtures.data.preprocess import Preprocessing
from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    import tensorflow as tf

DIGITS_CLASSES = 11  # ten digits, labels 1..10, behind a background class as in the seed's graphs
VALIDATION_SHARE = 0.2
SPLIT_SEED = 2
SPLIT_IMAGES = {"train": 1437, "validation": 360}
SHARDS = 2
BRIGHTEST = 16  # of the 8x8 originals
JPEG_QUALITY = 95


def write_digits(folder: Path, image_size: int = 64) -> None:
    """Write the 1,797 digits as TFRecords, 80 % to train and 20 % to validate, each class in proportion.

    The 8x8 greys are enlarged to `image_size` and framed in black, so that the evaluation's centre crop gives the whole
    digit. The folder must be new or empty (else an InputError) and appears complete or not at all.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write_splits(staging, image_size)
        staging.chmod(0o755)
        _publish(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_digits(folder: Path) -> Path:
    """Return a folder of `write_digits` if it is whole, as far as files and records tell; else an InputError."""
    for name, images in SPLIT_IMAGES.items():
        split = find_split(folder, name)
        if not split.is_complete or split.images != images:
            raise InputError(f"{split.describe()}, not the digits' {images}: write them to a new folder.")
    return folder


def _publish(staging: Path, folder: Path) -> None:
    try:
        staging.replace(folder)
    except OSError as error:
        raise InputError(f"The digits cannot be written to {folder} ({error.strerror}): name a new folder.") from error


def _write_splits(folder: Path, image_size: int) -> None:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    greys, digits = load_digits(return_X_y=True)
    pixels = _enlarge(greys.reshape(-1, 8, 8, 1) * (255 / BRIGHTEST), image_size)
    chosen = train_test_split(range(len(digits)), test_size=VALIDATION_SHARE, stratify=digits, random_state=SPLIT_SEED)
    for split, numbers in zip(SPLIT_IMAGES, chosen, strict=True):
        for shard in range(SHARDS):
            path = folder / f"{split}-{shard:05}-of-{SHARDS:05}"
            write_records(path, _make_examples(pixels, digits, numbers[shard::SHARDS]))


def _enlarge(greys: npt.NDArray[np.float64], image_size: int) -> npt.NDArray[np.uint8]:
    """Give [n, side, side, 3] with the digit where the crop will look for it."""
    import tensorflow as tf

    side = Preprocessing.for_image_size(image_size).resize_side
    before = (side - image_size) // 2
    after = side - image_size - before
    large = np.rint(tf.image.resize(greys, [image_size, image_size]).numpy()).astype(np.uint8)
    return np.pad(large, ((0, 0), (before, after), (before, after), (0, 0))).repeat(3, axis=3)


def _make_examples(
    pixels: npt.NDArray[np.uint8], digits: npt.NDArray[np.int64], numbers: Sequence[int]
) -> Iterator[tf.train.Example]:
    import tensorflow as tf

    for number in numbers:
        jpeg = tf.io.encode_jpeg(pixels[number], quality=JPEG_QUALITY).numpy()
        digit = int(digits[number])
        filename = f"digit_{number:05}.JPEG"
        yield make_example(jpeg, digit + 1, filename, pixels[number].shape, text=str(digit))
