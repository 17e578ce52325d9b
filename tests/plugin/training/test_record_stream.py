from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.data.pipeline import parse_example
from resnet_fixtures.training.record_stream import WAITING_RECORDS, explain_fault, read_records
from resnet_fixtures.training.shard_order import ShardOrder
from tests.plugin.training.train_split import write_train_split

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = (3, 5, 4)
IMAGES = sum(COUNTS)


@pytest.fixture
def order(tmp_path: Path) -> ShardOrder:
    return ShardOrder(write_train_split(tmp_path, COUNTS), rank=0, ranks=1, seed=2, epoch=0)


def read(order: ShardOrder, positions: range) -> list[tuple[int, int, int]]:
    """Read position, number and label of each record."""
    return [
        (int(position), int(number), int(parse_example(record)[1]))
        for position, (number, record) in read_records(order, positions)
    ]


def test_every_record_of_a_pass_comes_once(order: ShardOrder) -> None:
    positions, numbers, labels = zip(*read(order, range(IMAGES)), strict=True)
    assert positions == tuple(range(IMAGES))
    assert sorted(numbers) == list(range(IMAGES))
    assert sorted(labels) == list(range(1, IMAGES + 1))


def test_every_pass_is_shuffled_in_its_own_way(order: ShardOrder) -> None:
    labels = [label for *_, label in read(order, range(3 * IMAGES))]
    passes = [labels[start : start + IMAGES] for start in range(0, 3 * IMAGES, IMAGES)]
    assert all(sorted(one) == list(range(1, IMAGES + 1)) for one in passes)
    assert all(one != other for one, other in pairwise(passes))


def test_numbers_lead_to_the_records(order: ShardOrder) -> None:
    """A label counts the images of the split from its first file on."""
    places = [order.split.name_place(image) for image in range(IMAGES)]
    for _, number, label in read(order, range(2 * IMAGES)):
        assert order.name_place(number) == places[label - 1]


@pytest.mark.parametrize("positions", [range(2), range(4, 9), range(11, 30), range(24, 36)])
def test_positions_are_a_part_of_the_whole(positions: range, order: ShardOrder) -> None:
    whole = read(order, range(3 * IMAGES))
    assert read(order, positions) == whole[positions.start : positions.stop]


def test_the_buffer_is_the_references() -> None:
    assert WAITING_RECORDS == 1500


def test_a_fault_that_went_away_is_told_with_the_pipelines_reason(order: ShardOrder) -> None:
    error = explain_fault(order, range(4), "the disk was away")
    assert str(error).endswith("12 images in 3 TFRecord files: reading failed (the disk was away); try again.")
