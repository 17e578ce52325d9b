"""Compare our training input with a plain tf.data pipeline written as MLPerf's reference does it, with nothing else on.

The plain one: files shuffled, `flat_map`, prefetch, a shuffle buffer of 1,500, repeat, and `map_and_batch` of
`sample_distorted_bounding_box`, `decode_and_crop_jpeg`, a flip, a bilinear resize and the channel means. Both have the
same number of threads and take turns (A B, then B A) in one process, each with a pipeline built anew over the same
files, so often that an epoch outlasts a turn; the clock runs from the first batch to the last. The printed figure is
the median of the rounds' ratios.

    python -m benchmarks.training_input [--data-location DIR] [--threads N] [--batch-size N]

Without a data location with a train split, one of JPEGs of 500x375 pixels is made in a temporary folder.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np

from resnet_fixtures.data.location import find_split
from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.training.input import TrainingInput
from resnet_fixtures.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resnet_fixtures.data.split import Split

ROUNDS, BATCHES = 10, 16
SHARDS, IMAGES_PER_SHARD = 4, 64
HEIGHT, WIDTH = 375, 500
MEANS = (123.68, 116.78, 103.94)


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-location", type=Path)
    parser.add_argument("--threads", type=int, default=make_thread_plan(read_topology()).intra)
    parser.add_argument("--batch-size", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        split = find_split(arguments.data_location or make_train_split(Path(made)), "train")
        print(compare(lengthen(split, arguments.batch_size * (BATCHES + 2)), arguments.batch_size, arguments.threads))


def compare(split: Split, batch_size: int, threads: int) -> str:
    """Time both pipelines in turns and say how much faster ours is."""
    pipelines: list[Callable[[], Iterable[Any]]] = [
        lambda: our_batches(split, batch_size, threads),
        lambda: plain_batches(split, batch_size, threads),
    ]
    seconds: list[list[float]] = [[], []]
    for turn in range(ROUNDS + 1):
        for which in (0, 1) if turn % 2 else (1, 0):
            taken_s = time_batches(pipelines[which]())
            if turn:  # the first one warms the files and the pools up
                seconds[which].append(taken_s)
    ours, plain = (batch_size * BATCHES / statistics.median(taken) for taken in seconds)
    ratio = statistics.median(theirs_s / ours_s for ours_s, theirs_s in zip(*seconds, strict=True))
    return (
        f"{split.describe()}, batch {batch_size}, {threads} threads: ours {ours:.0f} images/s, the plain pipeline "
        f"{plain:.0f}: {ratio:.2f} times ({ROUNDS} rounds of {BATCHES} batches each, in turns, medians)"
    )


def time_batches(batches: Iterable[Any]) -> float:
    """Return the seconds that BATCHES batches after the first take."""
    iterator = iter(batches)
    next(iterator)
    start = time.perf_counter()
    for _ in itertools.islice(iterator, BATCHES):
        pass
    return time.perf_counter() - start


def lengthen(split: Split, images: int) -> Split:
    """Repeat the files until they hold so many images."""
    times = -(-images // split.images)
    names = ("files", "counts", "sizes_bytes", "checksums", "promised_files")
    return replace(split, **{name: getattr(split, name) * times for name in names})


def our_batches(split: Split, batch_size: int, threads: int) -> Iterable[Any]:
    """Give an epoch."""
    return TrainingInput(Recipe(batch_size=batch_size), split, 0, threads).batches(epoch=0)


def plain_batches(split: Split, batch_size: int, threads: int) -> Iterable[Any]:
    """Build what imagenet_preprocessing.py builds, on as many threads as ours."""
    import tensorflow as tf

    files = tf.data.Dataset.from_tensor_slices([str(file) for file in split.files]).shuffle(len(split.files))
    records = files.flat_map(tf.data.TFRecordDataset).prefetch(batch_size).shuffle(1500).repeat()
    # What the reference's map_and_batch(num_parallel_batches=1) became in TensorFlow 2.
    images = records.map(decode_plainly, num_parallel_calls=batch_size).batch(batch_size, drop_remainder=True)
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.experimental_optimization.map_and_batch_fusion = True
    batches: Iterable[Any] = images.prefetch(tf.data.AUTOTUNE).with_options(options)
    return batches


def decode_plainly(record: Any) -> tuple[Any, Any]:
    """Turn a record into an image [224, 224, 3] and its label."""
    import tensorflow as tf

    features = tf.io.parse_single_example(
        record,
        {
            "image/encoded": tf.io.FixedLenFeature([], tf.string, default_value=""),
            "image/class/label": tf.io.FixedLenFeature([], tf.int64, default_value=-1),
        },
    )
    jpeg = features["image/encoded"]
    corner, size, _ = tf.image.sample_distorted_bounding_box(
        tf.image.extract_jpeg_shape(jpeg), tf.constant([0.0, 0.0, 1.0, 1.0], shape=[1, 1, 4]), min_object_covered=0.1,
        aspect_ratio_range=[0.75, 1.33], area_range=[0.05, 1.0], max_attempts=100,
        use_image_if_no_bounding_boxes=True,
    )  # fmt: skip
    top, left, _ = tf.unstack(corner)
    height, width, _ = tf.unstack(size)
    cropped = tf.image.decode_and_crop_jpeg(jpeg, tf.stack([top, left, height, width]), channels=3)
    resized = tf.image.resize(tf.image.random_flip_left_right(cropped), [224, 224])
    return resized - tf.reshape(tf.constant(MEANS), [1, 1, 3]), features["image/class/label"]


def make_train_split(folder: Path) -> Path:
    """Write JPEGs of smooth noise, as large as a typical photograph of ImageNet, into four files."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for shard in range(SHARDS):
        examples = []
        for number in range(IMAGES_PER_SHARD):
            coarse = rng.integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
            pixels = tf.cast(tf.image.resize(coarse, (HEIGHT, WIDTH), method="bicubic"), tf.uint8)
            jpeg = tf.io.encode_jpeg(pixels, quality=90).numpy()
            examples.append(make_example(jpeg, 1 + number, f"{shard}_{number}.JPEG", (HEIGHT, WIDTH, 3)))
        write_records(folder / f"train-{shard:05}-of-{SHARDS:05}", examples)
    return folder


if __name__ == "__main__":
    main()
