from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import stored_weights
from resnet_fixtures.training.digits import DIGITS_RECIPE, Recipe, pack_weights, read_weights, train_digits

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = Recipe(Architecture(width=4, classes=3, image_size=32), epochs=4, batch_size=8, shift_pixels=1)


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """Write 18 images of two classes, dark and bright."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    examples = []
    for number in range(18):
        label = 1 + number % 2
        pixels = rng.integers(0, 100, (37, 37, 3), dtype=np.uint8) + np.uint8(150 * (label - 1))
        examples.append(make_example(tf.io.encode_jpeg(pixels).numpy(), label, f"{number}.JPEG", pixels.shape))
    write_records(tmp_path / "train-00000-of-00001", examples)
    return tmp_path


def test_few_images_lower_the_loss(location: Path) -> None:
    losses: list[tuple[int, float]] = []
    weights = train_digits(location, 1, lambda epoch, loss: losses.append((epoch, loss)), RECIPE)
    assert [epoch for epoch, _ in losses] == [1, 2, 3, 4]
    assert losses[-1][1] < 0.5 * losses[0][1]
    assert all(np.isfinite(weight).all() for weight in weights.values())
    freeze(RECIPE.architecture, stored_weights(weights))  # it finds every weight, in its shape


def test_recipe_of_the_digits_fits_the_data_set() -> None:
    assert DIGITS_RECIPE.architecture == Architecture(width=16, classes=11, image_size=64)


def test_weights_survive_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weights = {
        "conv1/kernel": rng.random((7, 7, 3, 4), np.float32),
        "stage2/block1/conv1/mean": np.array([-0.0, np.inf, 1e-40], np.float32),
        "dense/bias": np.zeros(0, np.float32),
    }
    (tmp_path / "weights.npz").write_bytes(pack_weights(weights))
    read = read_weights(tmp_path / "weights.npz")
    assert list(read) == list(weights)
    for name, weight in weights.items():
        assert read[name].dtype == np.float32
        assert read[name].tobytes() == weight.tobytes()


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (tmp_path.joinpath("sprung").touch, ())

    np.savez(tmp_path / "weights.npz", weight=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match=r"allow_pickle=False"):
        read_weights(tmp_path / "weights.npz")
    assert not (tmp_path / "sprung").exists()
