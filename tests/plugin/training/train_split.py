"""Small train splits of noise, made on the spot: the label names the image, 1 for the first of the first file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.data.location import find_split
from resnet_fixtures.data.records import make_example, write_records
from tests.plugin.lazy_tensorflow import tf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from resnet_fixtures.data.split import Split

HEIGHT, WIDTH = 40, 48


def write_train_split(folder: Path, counts: Sequence[int], replaced: Mapping[int, bytes] | None = None) -> Split:
    """Write files of so many images; `replaced` gives the bytes of some, by label, in place of a JPEG."""
    jpegs = dict(enumerate(draw_jpegs(sum(counts)), start=1)) | dict(replaced or {})
    labels = iter(jpegs)
    for number, count in enumerate(counts):
        chosen = [next(labels) for _ in range(count)]
        examples = (make_example(jpegs[label], label, f"{label}.JPEG", (HEIGHT, WIDTH, 3)) for label in chosen)
        write_records(folder / f"train-{number:05}-of-{len(counts):05}", examples)
    return find_split(folder, "train")


def draw_jpegs(count: int) -> Iterator[bytes]:
    """Draw smooth noise, the same for the same count, no two alike."""
    rng = np.random.default_rng(5)
    for _ in range(count):
        pixels = tf.image.resize(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8), (HEIGHT, WIDTH))
        yield tf.io.encode_jpeg(tf.cast(pixels, tf.uint8), quality=95).numpy()
