"""Find the record or image behind an error of the pipeline, which names none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from resnet_fixtures.data.preprocess import (
    SEED_PREPROCESSING,
    decode_and_preprocess,
    is_acceptable_shape,
    is_acceptable_size,
)
from resnet_fixtures.data.split import SplitKind
from resnet_fixtures.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import tensorflow as tf

    from resnet_fixtures.data.preprocess import Preprocessing
    from resnet_fixtures.data.split import Split


def explain_failure(
    split: Split, image: int, reason: str, preprocessing: Preprocessing = SEED_PREPROCESSING
) -> DataError:
    """Read on from an image, one by one, to the first that fails, and name its file, record and fault.

    Where none fails any more, the pipeline's own reason is what there is to tell.
    """
    for place, fault in _walk_images(split, image, preprocessing):
        if fault:
            return DataError(f"{place}: {fault}; copy or convert that file again.")
    return DataError(f"{split.describe()}: reading failed after {image} images ({reason}); try again.")


def word_error(error: tf.errors.OpError | UnicodeDecodeError) -> str:
    """Give TensorFlow's message, which Python cannot decode where it quotes a record or a path that is not UTF-8."""
    return error.object.decode(errors="backslashreplace") if isinstance(error, UnicodeDecodeError) else error.message


def diagnose_jpeg(jpeg: bytes, preprocessing: Preprocessing = SEED_PREPROCESSING) -> str | None:
    """Say in words what keeps a JPEG from being decoded, None if nothing does."""
    import tensorflow as tf

    try:
        height, width, _ = tf.io.extract_jpeg_shape(jpeg).numpy().tolist()
    except tf.errors.InvalidArgumentError:
        return f"the image ({len(jpeg)} bytes) is no JPEG"
    if not is_acceptable_size(height, width):
        return f"the JPEG declares {width}x{height} pixels, more than an image of the set can have"
    if not is_acceptable_shape(height, width, preprocessing.resize_side):
        return f"the JPEG's {width}x{height} pixels are too many when its short side has {preprocessing.resize_side}"
    try:
        decode_and_preprocess(jpeg, preprocessing)
    except tf.errors.InvalidArgumentError:
        return f"the JPEG ({len(jpeg)} bytes, {width}x{height} pixels) is corrupt or cut off"
    return None


def diagnose_record(record: bytes, preprocessing: Preprocessing = SEED_PREPROCESSING) -> str | None:
    """Say in words what keeps a record from being used, None if nothing does."""
    import tensorflow as tf

    types = {"image/encoded": tf.string, "image/class/label": tf.int64, "image/filename": tf.string}
    try:
        features = tf.io.parse_single_example(record, {name: tf.io.VarLenFeature(types[name]) for name in types})
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError):
        return f"the record is no tf.train.Example, or the type of {', '.join(types)} is not string, int64, string"
    counts = {name: int(features[name].values.shape[0]) for name in types}
    for name, count in counts.items():
        if count != 1 and (count or name != "image/filename"):
            return f"the record has {count or 'no'} {name}, not one"
    return diagnose_jpeg(features["image/encoded"].values[0].numpy(), preprocessing)


def diagnose_file(path: Path, preprocessing: Preprocessing = SEED_PREPROCESSING) -> str | None:
    """Say in words what keeps a JPEG file from being used, None if nothing does."""
    try:
        return diagnose_jpeg(path.read_bytes(), preprocessing)
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"


def _walk_images(split: Split, image: int, preprocessing: Preprocessing) -> Iterator[tuple[str, str | None]]:
    if split.kind is SplitKind.JPEGS:
        return ((str(file), diagnose_file(file, preprocessing)) for file in split.files[image:])
    return _walk_records(split, image, preprocessing)


def _walk_records(split: Split, image: int, preprocessing: Preprocessing) -> Iterator[tuple[str, str | None]]:
    file, first = split.locate(image)
    for path in split.files[file:]:
        yield from _walk_file(path, first, preprocessing)
        first = 0


def _walk_file(path: Path, first: int, preprocessing: Preprocessing) -> Iterator[tuple[str, str | None]]:
    import tensorflow as tf

    number = first
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(os.fsencode(path)).skip(first), start=first + 1):
            yield f"{path}, record {number}", diagnose_record(record.numpy(), preprocessing)
    except tf.errors.DataLossError:
        yield f"{path}, record {number + 1}", "the record does not match its checksum or is cut off"
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        yield f"{path}, record {number + 1}", f"the file cannot be read ({word_error(error)})"
