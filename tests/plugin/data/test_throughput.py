from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.data.imagenet import LabelledImages, find_split
from resnet_fixtures.data.preprocess import Preprocessing
from resnet_fixtures.data.throughput import measure_pipeline

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def images(folder: Path) -> LabelledImages:
    """Seven images."""
    return LabelledImages(find_split(folder), Preprocessing.for_image_size(16), classes=1001, threads=1)


def test_whole_split_is_counted_with_its_last_partial_batch(images: LabelledImages) -> None:
    clock = count(0, 500_000_000).__next__  # start, one look a batch (2, 2, 2, 1), end: 2.5 s
    assert measure_pipeline(images, 2, clock=clock) == pytest.approx(7 / 2.5)


def test_time_ends_it(images: LabelledImages) -> None:
    clock = count(0, 1_000_000_000).__next__  # the second batch of two ends at 2 s
    assert measure_pipeline(images, 2, max_time_s=2.0, clock=clock) == pytest.approx(4 / 3)


def test_at_least_one_batch_is_read(images: LabelledImages) -> None:
    assert measure_pipeline(images, 7, max_time_s=0.0) > 0
