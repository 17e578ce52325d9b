from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest

from resnet_fixtures.data.preprocess import Preprocessing, decode_and_preprocess
from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.errors import DataError, InputError
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.training.dummies import EPOCH_BATCHES
from resnet_fixtures.training.input import TrainingInput
from resnet_fixtures.training.recipe import Augmentation, Recipe
from resnet_fixtures.training.shard_order import ShardOrder
from tests.plugin.lazy_tensorflow import tf
from tests.plugin.training.train_split import draw_jpegs, write_train_split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from resnet_fixtures.data.split import Split

    Batches: TypeAlias = list[tuple[npt.NDArray[np.float32], list[int]]]

SIDE = 32
COUNTS = (7, 5, 6, 4)
IMAGES = sum(COUNTS)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Twenty-two images in four files, labels 1 to 22."""
    return write_train_split(tmp_path_factory.mktemp("train"), COUNTS)


def make_recipe(
    batch_size: int = 4,
    ranks: int = 1,
    seed: int = 2,
    classes: int = 1001,
    augmentation: Augmentation = Augmentation.CROP_AND_FLIP,
) -> Recipe:
    architecture = Architecture(width=4, classes=classes, image_size=SIDE)
    return Recipe(architecture, batch_size=batch_size, ranks=ranks, seed=seed, augmentation=augmentation)


def read(
    split: Split | None, recipe: Recipe | None = None, rank: int = 0, threads: int = 2, epoch: int = 0, skip: int = 0
) -> Batches:
    batches = TrainingInput(recipe or make_recipe(), split, rank, threads).batches(epoch, skip)
    return [(images.numpy(), labels.numpy().tolist()) for images, labels in batches]


def list_labels(batches: Iterable[tuple[object, Sequence[int]]]) -> list[int]:
    return [label for _, labels in batches for label in labels]


def assert_same(found: Batches, expected: Batches) -> None:
    assert list_labels(found) == list_labels(expected)
    for (images, _), (expected_images, _) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(images, expected_images)


@pytest.mark.parametrize("batch_size", [1, 4, IMAGES])
def test_an_epoch_has_whole_batches_of_different_images(batch_size: int, split: Split) -> None:
    recipe = make_recipe(batch_size)
    batches = list(TrainingInput(recipe, split, 0, 2).batches(0))
    assert len(batches) == recipe.steps_per_epoch(IMAGES) == IMAGES // batch_size
    assert {tuple(images.shape) for images, _ in batches} == {(batch_size, SIDE, SIDE, 3)}
    assert {(images.dtype, labels.dtype) for images, labels in batches} == {(tf.float32, tf.int32)}
    labels = [int(label) for _, labels in batches for label in labels]
    assert len(set(labels)) == len(labels)
    assert set(labels) <= set(range(1, IMAGES + 1))


def test_the_images_of_a_split_are_counted(split: Split) -> None:
    assert TrainingInput(make_recipe(), split, 0, 2).images == IMAGES
    assert TrainingInput(make_recipe(batch_size=4, ranks=3), None, 0, 2).images == EPOCH_BATCHES * 12


def test_images_are_their_labels(split: Split) -> None:
    evaluation = Preprocessing.for_image_size(SIDE)
    expected = [decode_and_preprocess(jpeg, evaluation).numpy() for jpeg in draw_jpegs(IMAGES)]
    for images, labels in read(split, make_recipe(augmentation=Augmentation.NONE)):
        for image, label in zip(images, labels, strict=True):
            np.testing.assert_array_equal(image, expected[label - 1])


@pytest.mark.parametrize("skip", range(6))
def test_batches_go_on_where_they_were(skip: int, split: Split) -> None:
    assert_same(read(split, skip=skip), read(split)[skip:])


@pytest.mark.parametrize("threads", [1, 5])
def test_threads_change_nothing(threads: int, split: Split) -> None:
    assert_same(read(split, threads=threads), read(split))


@pytest.mark.parametrize("augmentation", [Augmentation.CROP_AND_FLIP, Augmentation.SHIFT])
def test_what_ran_before_changes_nothing(augmentation: Augmentation, split: Split) -> None:
    recipe = make_recipe(augmentation=augmentation)
    expected = read(split, recipe)
    read(split, recipe, epoch=1)
    tf.random.set_seed(9)
    tf.random.uniform([3])
    assert_same(read(split, recipe), expected)


def test_epochs_and_seeds_bring_other_orders(split: Split) -> None:
    recipes = [make_recipe(IMAGES, seed=seed) for seed in (2, 3)]
    orders = {tuple(list_labels(read(split, recipe, epoch=epoch))) for recipe in recipes for epoch in (0, 1, 2)}
    assert len(orders) == 6


def test_epochs_bring_other_crops(split: Split) -> None:
    first, second = (
        {
            label: image
            for images, labels in read(split, epoch=epoch)
            for image, label in zip(images, labels, strict=True)
        }
        for epoch in (0, 1)
    )
    both = first.keys() & second.keys()
    assert len(both) > 10
    assert not any(np.array_equal(first[label], second[label]) for label in both)


def test_images_of_a_file_are_spread(split: Split) -> None:
    """In reading order, only the files' borders would leave the sequence of labels."""
    labels = list_labels(read(split, make_recipe(IMAGES)))
    assert sum(after != before + 1 for before, after in pairwise(labels)) > IMAGES // 2


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_read_different_images(ranks: int, split: Split) -> None:
    recipe = make_recipe(batch_size=1, ranks=ranks)
    read_by = [read(split, recipe, rank) for rank in range(ranks)]
    assert {len(batches) for batches in read_by} == {IMAGES // ranks}
    labels = [set(list_labels(batches)) for batches in read_by]
    assert all(not one & other for number, one in enumerate(labels) for other in labels[:number])


def test_a_rank_with_few_images_reads_them_again_in_another_order(tmp_path: Path) -> None:
    split = write_train_split(tmp_path, (3, 13))
    labels = [list_labels(read(split, make_recipe(batch_size=2, ranks=2), rank)) for rank in range(2)]
    few, many = sorted(labels, key=min)
    assert len(few) == len(many) == 8
    assert [sorted(few[:3]), sorted(few[3:6])] == [[1, 2, 3]] * 2
    assert few[:3] != few[3:6] or few[:2] != few[6:]
    assert len(set(many)) == 8


def test_second_passes_go_on_where_they_were_with_crops_of_their_own(tmp_path: Path) -> None:
    split = write_train_split(tmp_path, (1, 9))
    recipe = make_recipe(batch_size=1, ranks=2)
    rank = next(rank for rank in range(2) if list_labels(read(split, recipe, rank)) == [1] * 5)
    batches = read(split, recipe, rank)
    assert len({images.tobytes() for images, _ in batches}) == 5
    assert_same(read(split, recipe, rank, skip=3), batches[3:])


def test_ranks_crop_differently(tmp_path: Path) -> None:
    jpeg = next(draw_jpegs(1))
    split = write_train_split(tmp_path, (2, 2), dict.fromkeys(range(1, 5), jpeg))
    crops = {
        image.tobytes()
        for rank in range(2)
        for images, _ in read(split, make_recipe(batch_size=2, ranks=2), rank)
        for image in images
    }
    assert len(crops) == 4


@pytest.mark.parametrize(("classes", "shift"), [(1001, 0), (23, 0), (1000, 1)])
def test_labels_become_indices_of_the_graph(classes: int, shift: int, split: Split) -> None:
    recipe = make_recipe(IMAGES, classes=classes)
    assert sorted(list_labels(read(split, recipe))) == [label - shift for label in range(1, IMAGES + 1)]


def test_a_label_out_of_range_is_named(split: Split) -> None:
    message = r"train-00003-of-00004, record 4: label 22 is outside 1\.\.21, the labels of a graph with 22 classes; use"
    with pytest.raises(DataError, match=message):
        read(split, make_recipe(batch_size=1, classes=22))


def test_fewer_files_than_ranks_are_refused(split: Split) -> None:
    message = r"has 4 files of the train split for 5 ranks, which read one each at least: start fewer processes or"
    with pytest.raises(InputError, match=message):
        TrainingInput(make_recipe(ranks=5), split, 0, 2)


def test_fewer_images_than_a_batch_are_refused(split: Split) -> None:
    with pytest.raises(
        InputError, match="The training set has 22 images, less than a global batch of 24: pass a small"
    ):
        read(split, make_recipe(batch_size=12, ranks=2))


@pytest.mark.parametrize("bad", [1, 7, 8, IMAGES])
@pytest.mark.parametrize("augmentation", Augmentation)
def test_what_is_no_jpeg_is_named_after_the_good_batches_before_it(
    augmentation: Augmentation, bad: int, tmp_path: Path, split: Split
) -> None:
    recipe = make_recipe(batch_size=2, augmentation=augmentation)
    before = [labels for _, labels in read(split, recipe)]
    damaged = write_train_split(tmp_path, COUNTS, {bad: b"no jpeg"})
    file = {1: 0, 7: 0, 8: 1, IMAGES: 3}[bad]
    place = f"train-0000{file}-of-00004, record {bad - sum(COUNTS[:file])}"
    good: list[list[int]] = []
    with pytest.raises(DataError, match=rf"{place}: the image \(7 bytes\) is no JPEG; copy or convert that file again"):
        good.extend(labels.numpy().tolist() for _, labels in TrainingInput(recipe, damaged, 0, 2).batches(0))
    assert good == before[: next(step for step, labels in enumerate(before) if bad in labels)]


def test_a_fault_in_a_second_pass_is_named(tmp_path: Path) -> None:
    split = write_train_split(tmp_path, (3, 13), {2: b"no jpeg"})
    recipe = make_recipe(batch_size=1, ranks=2)
    rank = next(rank for rank in range(2) if ShardOrder(split, rank, 2, recipe.seed, epoch=0).dealt == (0,))
    with pytest.raises(DataError, match=r"train-00000-of-00002, record 2: the image \(7 bytes\) is no JPEG"):
        read(split, recipe, rank, skip=3)


def test_a_record_without_a_label_is_named(tmp_path: Path) -> None:
    split = write_train_split(tmp_path, (2, 2))
    examples = [make_example(jpeg, 1, "1.JPEG", (40, 48, 3)) for jpeg in draw_jpegs(2)]
    del examples[1].features.feature["image/class/label"]
    write_records(tmp_path / "train-00001-of-00002", examples)
    with pytest.raises(DataError, match="train-00001-of-00002, record 2: the record has no image/class/label, not one"):
        read(split, make_recipe(batch_size=2))


@pytest.mark.parametrize("record", [3, 6])
def test_a_changed_bit_in_a_record_is_named(record: int, tmp_path: Path) -> None:
    split = write_train_split(tmp_path, COUNTS)
    file = split.files[2]
    content = bytearray(file.read_bytes())
    content[len(content) * record // COUNTS[2] - 100] ^= 1
    file.write_bytes(content)
    message = f"train-00002-of-00004, record {record}: the record does not match its checksum or is cut off; copy"
    with pytest.raises(DataError, match=message):
        read(split)


def test_a_file_that_shrinks_during_a_run_is_named(tmp_path: Path) -> None:
    split = write_train_split(tmp_path, COUNTS)
    os.truncate(split.files[1], split.sizes_bytes[1] - 10)
    with pytest.raises(DataError, match=r"train-00001-of-00004, record 5: .* checksum or is cut off; copy"):
        read(split)


def test_a_file_that_vanishes_during_a_run_is_named(tmp_path: Path) -> None:
    split = write_train_split(tmp_path, COUNTS)
    split.files[3].unlink()
    with pytest.raises(DataError, match=r"train-00003-of-00004, record 1: the file cannot be read \(.*No such file"):
        read(split)


def test_a_fault_in_a_path_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"d\xff")
    folder.mkdir()
    split = write_train_split(folder, COUNTS)
    assert len(read(split)) == 5
    split.files[3].unlink()
    with pytest.raises(DataError, match=r"train-00003-of-00004, record 1: the file cannot be read \(.*No such file"):
        read(split)


def test_a_record_of_other_bytes_is_named(tmp_path: Path) -> None:
    split = write_train_split(tmp_path, (2, 2))
    with tf.io.TFRecordWriter(str(split.files[1])) as writer:
        for _ in range(2):
            writer.write(b"\xff\xfe garbage")  # which TensorFlow quotes in a message that is no text
    with pytest.raises(DataError, match=r"train-00001-of-00002, record [12]: the record is no tf.train.Example"):
        read(split, make_recipe(batch_size=2))


def test_images_that_vanish_during_a_run_are_missed(tmp_path: Path) -> None:
    split = write_train_split(tmp_path, COUNTS)
    write_train_split(tmp_path, (7, 5, 1, 4))
    with pytest.raises(
        DataError, match="22 images in 4 TFRecord files: the images ended after 4 of 5 steps; leave the"
    ):
        read(split)


@pytest.mark.parametrize("skip", [0, 3, EPOCH_BATCHES])
def test_without_a_split_there_are_dummies(skip: int) -> None:
    batches = read(None, make_recipe(batch_size=4, ranks=2), rank=1, epoch=5, skip=skip)
    assert len(batches) == EPOCH_BATCHES - skip
    assert_same(batches, read(None, make_recipe(batch_size=4, ranks=2), rank=1, threads=1)[skip:])


def list_threads() -> set[str]:
    return {thread.name for thread in Path("/proc/self/task").iterdir()}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts its threads in Linux' /proc")
def test_leaving_early_stops_the_reader(split: Split) -> None:
    read(split)  # TensorFlow's own pools start with the first pipeline
    before = list_threads()
    batches = TrainingInput(make_recipe(batch_size=1), split, 0, 2).batches(0)
    next(batches)
    assert list_threads() > before
    del batches
    deadline = time.monotonic() + 10
    while list_threads() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list_threads() <= before


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts its threads in Linux' /proc")
def test_the_pool_has_as_many_threads_as_asked(split: Split) -> None:
    def count_threads(data_threads: int) -> int:
        before = list_threads()
        batches = TrainingInput(make_recipe(batch_size=1), split, 0, data_threads).batches(0)
        next(batches)
        return len(list_threads() - before)

    count_threads(1)  # TensorFlow's own pools start with the first pipeline
    assert count_threads(5) - count_threads(1) == 4
