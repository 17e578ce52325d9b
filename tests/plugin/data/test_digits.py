from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.data.digits import DIGITS_CLASSES, write_digits
from resnet_fixtures.data.imagenet import Split, find_split, read_batches
from resnet_fixtures.data.preprocess import Preprocessing, Scaling
from resnet_fixtures.errors import InputError
from tests.plugin.full_disk import full_disk

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

EVALUATION = Preprocessing.for_image_size(64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "digits"
    write_digits(folder)
    return folder


def list_labels(split: Split) -> list[int]:
    batches = read_batches(split, EVALUATION, 100, DIGITS_CLASSES, data_threads=2)
    return [int(label) for batch in batches for label in batch.labels]


def test_the_set_is_complete_and_split_four_to_one(folder: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == [
        "train-00000-of-00002",
        "train-00001-of-00002",
        "validation-00000-of-00002",
        "validation-00001-of-00002",
    ]
    assert find_split(folder, "train").images == 1437
    assert find_split(folder).images == 360


def test_labels_are_1_to_10_and_every_class_is_split_in_proportion(folder: Path) -> None:
    train = Counter(list_labels(find_split(folder, "train")))
    validation = Counter(list_labels(find_split(folder)))
    assert sorted(train) == sorted(validation) == list(range(1, 11))
    for label in train:
        assert validation[label] / (train[label] + validation[label]) == pytest.approx(0.2, abs=0.005)


def test_no_digit_is_in_both_splits(folder: Path) -> None:
    names = [
        name
        for split in ("train", "validation")
        for batch in read_batches(find_split(folder, split), EVALUATION, 500, DIGITS_CLASSES, 2)
        for name in batch.filenames
    ]
    assert sorted(names) == [f"digit_{number:05}.JPEG" for number in range(1797)]


def shrink(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Average 8x8 blocks of the first channel: the 64x64 crop as the 8x8 original."""
    small: npt.NDArray[np.float32] = image[:, :, 0].reshape(8, 8, 8, 8).mean(axis=(1, 3))
    return small


def test_the_centre_crop_keeps_the_whole_digit(folder: Path) -> None:
    from sklearn.datasets import load_digits

    greys, labels = load_digits(return_X_y=True)
    unscaled = Preprocessing(EVALUATION.image_size, EVALUATION.resize_side, scaling=Scaling.BYTES)
    for batch in read_batches(find_split(folder), unscaled, 100, DIGITS_CLASSES, data_threads=2):
        for image, label, name in zip(batch.images, batch.labels, batch.filenames, strict=True):
            number = int(name[6:11])
            original = greys[number].reshape(8, 8) * 255 / 16
            assert label == labels[number] + 1
            assert np.corrcoef(shrink(image).ravel(), original.ravel())[0, 1] > 0.94
            assert image.sum() == pytest.approx(original.sum() * 64 * 3, rel=0.05)


@pytest.mark.parametrize("image_size", [32, 45])
def test_other_sizes_fit_their_own_preprocessing(image_size: int, tmp_path: Path) -> None:
    write_digits(tmp_path / "digits", image_size)
    preprocessing = Preprocessing.for_image_size(image_size)
    batch = next(read_batches(find_split(tmp_path / "digits"), preprocessing, 10, DIGITS_CLASSES, data_threads=1))
    assert batch.images.shape == (10, image_size, image_size, 3)


def test_the_same_call_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_digits(tmp_path / "again")
    for file in folder.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    sentence = r"^/.*train-0000\d-of-00002 cannot be written \(.*File too large\): make room, or name another folder"
    with pytest.raises(InputError, match=sentence), full_disk(100_000):
        write_digits(tmp_path / "digits")
    assert list(tmp_path.iterdir()) == []


def test_missing_parents_are_made(tmp_path: Path) -> None:
    write_digits(tmp_path / "a" / "b", image_size=16)
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b"]


def test_an_occupied_folder_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "mine").touch()
    with pytest.raises(InputError, match=r"cannot be written to .*digits \(Directory not empty\): name a new folder"):
        write_digits(tmp_path / "digits", image_size=16)
    assert [file.name for file in tmp_path.rglob("*")] == ["digits", "mine"]
