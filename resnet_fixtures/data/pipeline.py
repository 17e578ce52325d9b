"""Build the tf.data pipeline that reads, decodes and batches a split on threads of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from resnet_fixtures.data.preprocess import decode_and_preprocess
from resnet_fixtures.data.split import SplitKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import TypeAlias

    import tensorflow as tf

    from resnet_fixtures.data.preprocess import Preprocessing
    from resnet_fixtures.data.split import Split

    Decoded: TypeAlias = tuple[tf.Tensor, tf.Tensor, tf.Tensor]

PREFETCHED_BATCHES = 2


def build_pipeline(
    split: Split, preprocessing: Preprocessing, batch_size: int, data_threads: int, chosen: range
) -> tf.data.Dataset:
    """Give batches of (images, labels as stored, file names) of the chosen images, in the split's order."""
    read = _read_records if split.kind is SplitKind.RECORDS else _read_jpegs
    images = read(split, preprocessing, chosen, data_threads)
    return images.batch(batch_size).prefetch(PREFETCHED_BATCHES).with_options(make_options(data_threads))


def parse_example(example: tf.Tensor) -> Decoded:
    """Give a record's JPEG, its label 1..1000 and its file name, empty where it has none, as in the seed."""
    import tensorflow as tf

    features = tf.io.parse_single_example(
        example,
        {
            "image/encoded": tf.io.FixedLenFeature([], tf.string),
            "image/class/label": tf.io.FixedLenFeature([], tf.int64),
            "image/filename": tf.io.FixedLenFeature([], tf.string, default_value=""),
        },
    )
    return features["image/encoded"], features["image/class/label"], features["image/filename"]


def _read_records(split: Split, preprocessing: Preprocessing, chosen: range, data_threads: int) -> tf.data.Dataset:
    import tensorflow as tf

    def decode(example: tf.Tensor) -> Decoded:
        jpeg, label, filename = parse_example(example)
        return decode_and_preprocess(jpeg, preprocessing), label, filename

    file, record = split.locate(chosen.start)
    records = tf.data.TFRecordDataset(make_strings(split.files[file:])).skip(record).take(len(chosen))
    return map_in_order(records, decode, data_threads)


def _read_jpegs(split: Split, preprocessing: Preprocessing, chosen: range, data_threads: int) -> tf.data.Dataset:
    import tensorflow as tf

    def decode(path: tf.Tensor, label: tf.Tensor, filename: tf.Tensor) -> Decoded:
        return decode_and_preprocess(tf.io.read_file(path), preprocessing), label, filename

    files = split.files[chosen.start : chosen.stop]
    labels = tf.constant(split.labels[chosen.start : chosen.stop], tf.int64)
    images = tf.data.Dataset.from_tensor_slices((make_strings(files), labels, make_strings(f.name for f in files)))
    return map_in_order(images, decode, data_threads)


def make_strings(values: Iterable[str | Path]) -> tf.Tensor:
    """Give paths or names as the file system has them, a string tensor [n]: its bytes need not be UTF-8."""
    import tensorflow as tf

    return tf.constant([os.fsencode(value) for value in values], tf.string)


def map_in_order(dataset: tf.data.Dataset, decode: Callable[..., Decoded], data_threads: int) -> tf.data.Dataset:
    """Decode the elements on `data_threads` threads, and give them in their own order."""
    import tensorflow as tf

    # AutoGraph has nothing to convert in these functions and would only warn about their closures.
    decode = tf.autograph.experimental.do_not_convert(decode)
    return dataset.map(decode, num_parallel_calls=data_threads, deterministic=True)


def make_options(data_threads: int) -> tf.data.Options:
    """Make a pipeline deterministic, and keep it to `data_threads` threads of its own."""
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = data_threads
    # One thread per image: operations that split their work would borrow the inference's cores.
    options.threading.max_intra_op_parallelism = 1
    # Every number is given; the tuner would only take a thread.
    options.autotune.enabled = False
    options.experimental_optimization.map_and_batch_fusion = True
    return options
