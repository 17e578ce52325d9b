from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.data.location import find_split
from resnet_fixtures.data.pipeline import build_pipeline, parse_example
from resnet_fixtures.data.preprocess import Preprocessing
from resnet_fixtures.data.records import make_example

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS = Path("/proc/self/task")


@pytest.mark.skipif(not THREADS.is_dir(), reason="counts its threads in Linux' /proc")
def test_the_pool_has_as_many_threads_as_asked(folder: Path) -> None:
    split = find_split(folder)

    def count_threads(data_threads: int) -> int:
        before = {thread.name for thread in THREADS.iterdir()}
        pipeline = build_pipeline(split, Preprocessing(), 1, data_threads, range(split.images))
        batches: Iterator[object] = pipeline.as_numpy_iterator()
        next(batches)
        return len({thread.name for thread in THREADS.iterdir()} - before)

    count_threads(1)  # TensorFlow's own pools start with the first pipeline
    waiting = 2  # one thread hands the work out, one keeps the finished batches
    assert [count_threads(data_threads) for data_threads in (1, 2, 5)] == [1 + waiting, 2 + waiting, 5 + waiting]


def test_options_leave_the_inference_alone(folder: Path) -> None:
    options = build_pipeline(find_split(folder), Preprocessing(), 1, 3, range(1)).options()
    assert options.threading.private_threadpool_size == 3
    assert options.threading.max_intra_op_parallelism == 1
    assert options.autotune.enabled is False
    assert options.deterministic is True


def test_an_example_gives_jpeg_label_and_name() -> None:
    example = make_example(b"jpeg", 7, "7.JPEG", (1, 1, 3)).SerializeToString()
    assert [value.numpy() for value in parse_example(example)] == [b"jpeg", 7, b"7.JPEG"]


def test_an_example_without_a_name_gives_none() -> None:
    example = make_example(b"jpeg", 7, "7.JPEG", (1, 1, 3))
    del example.features.feature["image/filename"]
    assert parse_example(example.SerializeToString())[2].numpy() == b""
