from __future__ import annotations

import numpy as np
import pytest

from resnet_fixtures.data.dummy import dummy_images


@pytest.mark.parametrize(("batch_size", "image_size"), [(1, 224), (3, 64), (5, 33)])
def test_shape_type_and_memory(batch_size: int, image_size: int) -> None:
    images = dummy_images(batch_size, image_size)
    assert images.shape == (batch_size, image_size, image_size, 3)
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    assert images.ctypes.data % 64 == 0


def test_values_are_those_of_preprocessed_photographs() -> None:
    images = dummy_images(4, 64)
    means = np.array([123.68, 116.78, 103.94])
    np.testing.assert_allclose(images.min(axis=(0, 1, 2)), -means, atol=0.5)
    np.testing.assert_allclose(images.max(axis=(0, 1, 2)), 255 - means, atol=0.5)
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), 127.5 - means, atol=3)


def test_the_seed_decides() -> None:
    np.testing.assert_array_equal(dummy_images(2, 32), dummy_images(2, 32))
    assert not np.array_equal(dummy_images(2, 32), dummy_images(2, 32, seed=1))


def test_images_of_a_batch_differ() -> None:
    first, second = dummy_images(2, 32)
    assert not np.array_equal(first, second)


def test_a_batch_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        dummy_images(1, 32)[:] = 0
