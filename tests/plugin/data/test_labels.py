from __future__ import annotations

import numpy as np
import pytest

from resnet_fixtures.data.labels import find_invalid, read_label, to_indices, to_labels, valid_labels


@pytest.mark.parametrize(("classes", "first", "last"), [(1001, 1, 1000), (1000, 1, 1000), (11, 1, 10), (2, 1, 1)])
def test_valid_labels(classes: int, first: int, last: int) -> None:
    assert valid_labels(classes) == range(first, last + 1)


@pytest.mark.parametrize(
    ("classes", "indices"), [(1001, [1, 500, 1000]), (1000, [0, 499, 999]), (2000, [1, 500, 1000])]
)
def test_indices_leave_out_the_background_where_the_graph_has_none(classes: int, indices: list[int]) -> None:
    converted = to_indices(np.array([1, 500, 1000]), classes)
    assert converted.dtype == np.int32
    assert converted.tolist() == indices


@pytest.mark.parametrize("classes", [11, 1000, 1001])
def test_labels_come_back_from_indices(classes: int) -> None:
    labels = np.arange(1, 11)
    there_and_back = to_labels(to_indices(labels, classes), classes)
    assert there_and_back.dtype == np.int64
    assert there_and_back.tolist() == labels.tolist()


def test_background_is_label_0() -> None:
    assert to_labels(np.array([0]), 1001).tolist() == [0]
    assert to_labels(np.array([0]), 1000).tolist() == [1]


@pytest.mark.parametrize(
    ("labels", "classes", "position"),
    [
        ([1, 1000], 1001, None),
        ([1, 1000], 1000, None),
        ([1, 0, 0], 1001, 1),
        ([1, 2, 0], 1000, 2),
        ([1001, 1], 1001, 0),
        ([1001, 1], 1000, 0),
        ([10, 11], 11, 1),
        ([-1], 1001, 0),
        ([2**32 + 1], 1001, 0),
    ],
)
def test_the_first_label_without_an_output_is_found(labels: list[int], classes: int, position: int | None) -> None:
    assert find_invalid(np.array(labels, dtype=np.int64), classes) == position


def test_validation_names_have_the_labels_of_imagenet_counted_from_1() -> None:
    # The first three of the set's own ground truth: sea snake, Alp, Shetland sheepdog.
    names = [f"ILSVRC2012_val_{number:08}.JPEG" for number in (1, 2, 3)]
    assert [read_label(name) for name in names] == [66, 971, 231]


@pytest.mark.parametrize("name", ["cat.jpg", "ILSVRC2012_val_00050001.JPEG", "ilsvrc2012_val_00000001.jpeg"])
def test_other_names_have_none(name: str) -> None:
    assert read_label(name) is None
