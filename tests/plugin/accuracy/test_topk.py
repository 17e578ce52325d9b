from __future__ import annotations

import numpy as np
import pytest

from resnet_fixtures.accuracy.topk import choose_classes, rank_labels

ROW = [0.05, 0.30, 0.10, 0.30, 0.10, 0.10, 0.05]


def rank(row: list[float], label: int) -> int:
    [ranked] = rank_labels(np.array([row], np.float32), np.array([label], np.int32))
    return int(ranked)


def test_equals_come_in_the_order_of_their_indices() -> None:
    assert [rank(ROW, label) for label in range(7)] == [5, 0, 2, 1, 3, 4, 6]


def test_seed_would_count_every_equal_as_a_hit_and_we_count_exactly_five() -> None:
    uniform = [0.125] * 8
    assert [rank(uniform, label) < 5 for label in range(8)] == [True] * 5 + [False] * 3


def test_likeliest_class_is_the_lowest_of_equals() -> None:
    assert choose_classes(np.array([ROW, ROW[::-1], [0.0] * 7], np.float32)).tolist() == [1, 3, 0]


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_ranks_are_the_places_in_a_stable_sort(levels: int) -> None:
    rng = np.random.default_rng(levels)
    probabilities = (rng.integers(0, levels, (200, 11)) / levels).astype(np.float32)
    labels = rng.integers(0, 11, 200).astype(np.int32)
    order = [sorted(range(11), key=lambda c, row=row: (-row[c], c)) for row in probabilities.tolist()]  # type: ignore[misc]
    expected = [row.index(label) for row, label in zip(order, labels.tolist(), strict=True)]
    assert rank_labels(probabilities, labels).tolist() == expected
    assert ((rank_labels(probabilities, labels) == 0) == (choose_classes(probabilities) == labels)).all()


def test_nan_is_never_a_hit() -> None:
    assert rank([float("nan")] * 7, 0) == 7
    assert rank([0.5, float("nan"), 0.2], 0) == 1


def test_arrays_stay_as_they_are() -> None:
    probabilities, labels = np.full((2, 6), 0.1, np.float32), np.array([5, 0], np.int32)
    probabilities.setflags(write=False)
    ranks = rank_labels(probabilities, labels)
    assert ranks.tolist() == [5, 0]
    assert {str(ranks.dtype), str(choose_classes(probabilities).dtype)} == {"int64"}
