from __future__ import annotations

from pathlib import Path

import pytest

from resnet_fixtures.data.split import Split, SplitKind
from resnet_fixtures.training.shard_order import DRAWN_BITS, ShardOrder, draw, shuffle

COUNTS = (3, 5, 2, 4, 6)


@pytest.fixture
def split() -> Split:
    files = tuple(Path(f"train-{number:05}-of-00005") for number in range(len(COUNTS)))
    return Split("train", Path(), SplitKind.RECORDS, files, COUNTS, COUNTS, promised_files=len(COUNTS))


def order_of(split: Split, rank: int = 0, ranks: int = 1, seed: int = 2, epoch: int = 0) -> ShardOrder:
    return ShardOrder(split, rank, ranks, seed, epoch)


def test_draws_are_the_same_for_ever() -> None:
    """A checkpoint of one version goes on in the next: these numbers may never change."""
    assert draw("files", 2, 0) == 1495928357895884202
    assert shuffle(range(8), "files", 2, 0) == (3, 2, 5, 1, 6, 4, 0, 7)


def test_draws_differ_and_fit() -> None:
    drawn = [draw("augmentation", seed, epoch) for seed in range(20) for epoch in range(20)]
    assert len(set(drawn)) == len(drawn)
    assert all(0 <= number < 2**DRAWN_BITS for number in drawn)
    assert max(drawn) > 0.9 * 2**DRAWN_BITS


@pytest.mark.parametrize("ranks", range(1, len(COUNTS) + 1))
def test_ranks_divide_the_files(ranks: int, split: Split) -> None:
    dealt = [order_of(split, rank, ranks).dealt for rank in range(ranks)]
    assert sorted(file for files in dealt for file in files) == list(range(len(COUNTS)))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_epochs_and_seeds_deal_anew(split: Split) -> None:
    dealt = {order_of(split, epoch=epoch, seed=seed).dealt for epoch in range(5) for seed in range(5)}
    assert len(dealt) > 20


def test_as_many_passes_as_the_images_need(split: Split) -> None:
    order = order_of(split)
    assert order.held == 20
    assert [len(order.list_passes(images)) for images in (1, 20, 21, 40, 41)] == [1, 1, 2, 2, 3]


def test_every_pass_has_the_same_files_in_another_order(split: Split) -> None:
    order = order_of(split, rank=1, ranks=2)
    first, *others = order.list_passes(10 * order.held)
    assert first == tuple(split.files[file] for file in order.dealt)
    assert {tuple(sorted(files)) for files in others} == {tuple(sorted(first))}
    assert len(set(others)) > 1


@pytest.mark.parametrize("rank", [0, 1])
def test_places_are_named_in_reading_order(rank: int, split: Split) -> None:
    order = order_of(split, rank, ranks=2)
    expected = [
        f"{file}, record {record}"
        for files in order.list_passes(2 * order.held)
        for file in files
        for record in range(1, COUNTS[split.files.index(file)] + 1)
    ]
    assert [order.name_place(number) for number in range(2 * order.held)] == expected
