from __future__ import annotations

import numpy as np
import pytest

from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.training.dummies import DUMMY_IMAGES, EPOCH_BATCHES, Dummies, count_dummies, draw_dummies
from resnet_fixtures.training.recipe import Recipe
from tests.plugin.lazy_tensorflow import tf


def make_recipe(batch_size: int = 8, ranks: int = 1, classes: int = 11, seed: int = 2) -> Recipe:
    return Recipe(Architecture(width=4, classes=classes, image_size=32), batch_size=batch_size, ranks=ranks, seed=seed)


def test_there_is_something_to_learn() -> None:
    """A linear classifier of half of the images knows the other half."""
    images, labels = draw_dummies(32, 11, seed=1)
    pixels = images.reshape(len(images), -1)
    half = DUMMY_IMAGES // 2
    weights, *_ = np.linalg.lstsq(pixels[:half], np.eye(11)[labels[:half]])
    assert np.mean((pixels[half:] @ weights).argmax(1) == labels[half:]) > 0.9


def test_the_images_of_a_class_differ() -> None:
    images, labels = draw_dummies(32, 11, seed=1)
    same = images[labels == labels[0]]
    assert all(np.abs(same[0] - image).mean() > 10 for image in same[1:])


@pytest.mark.parametrize(("classes", "first", "last"), [(1001, 1, 10), (1000, 0, 9), (11, 1, 10), (4, 1, 3), (2, 1, 1)])
def test_labels_fit_the_graph(classes: int, first: int, last: int) -> None:
    _, labels = draw_dummies(32, classes, seed=1)
    assert labels.dtype == np.int32
    assert set(labels) == set(range(first, last + 1))


def test_the_seed_decides() -> None:
    images, _ = draw_dummies(32, 11, seed=1)
    np.testing.assert_array_equal(draw_dummies(32, 11, seed=1)[0], images)
    assert not np.array_equal(draw_dummies(32, 11, seed=2)[0], images)


def test_values_are_in_the_range_of_real_ones() -> None:
    images, _ = draw_dummies(64, 1001, seed=1)
    assert abs(images.mean()) < 15
    assert 50 < images.std() < 80


@pytest.mark.parametrize("batch_size", [1, 8, 100])
def test_an_epoch_has_a_fixed_number_of_batches(batch_size: int) -> None:
    recipe = make_recipe(batch_size)
    batches = list(Dummies(recipe).batches(0, 0))
    assert len(batches) == EPOCH_BATCHES == recipe.steps_per_epoch(count_dummies(recipe))
    assert {tuple(images.shape) for images, _ in batches} == {(batch_size, 32, 32, 3)}
    assert {(images.dtype, labels.dtype) for images, labels in batches} == {(tf.float32, tf.int32)}


def test_ranks_divide_the_batches_of_one() -> None:
    whole = Dummies(make_recipe(batch_size=12)).batches(0, 0)
    parts = [Dummies(make_recipe(batch_size=4, ranks=3)).batches(rank, 0) for rank in range(3)]
    for (images, labels), *others in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([part for part, _ in others]), images)
        np.testing.assert_array_equal(np.concatenate([part for _, part in others]), labels)


def test_batches_go_on_where_they_were() -> None:
    dummies = Dummies(make_recipe())
    whole, rest = list(dummies.batches(0, 0)), list(dummies.batches(0, 3))
    assert len(rest) == len(whole) - 3
    for (images, labels), (expected, expected_labels) in zip(rest, whole[3:], strict=True):
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(labels, expected_labels)
