from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.data.imagenet import LabelledBatch, find_split, read_batches
from resnet_fixtures.data.preprocess import Preprocessing, decode_and_preprocess
from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.plugin.data.conftest import JpegMaker, RecordsWriter, SizeForger

SMALL = Preprocessing.for_image_size(32)


def read(
    folder: Path, batch_size: int = 3, classes: int = 1001, threads: int = 2, skip: int = 0
) -> list[LabelledBatch]:
    return list(read_batches(find_split(folder), SMALL, batch_size, classes, threads, skip))


def list_labels(batches: Iterable[LabelledBatch]) -> list[int]:
    return [int(label) for batch in batches for label in batch.labels]


def join_images(batches: Iterable[LabelledBatch]) -> object:
    return np.concatenate([batch.images for batch in batches])


def test_every_image_comes_once_in_order_and_the_last_batch_is_partial(folder: Path) -> None:
    batches = read(folder)
    assert [batch.images.shape for batch in batches] == [(3, 32, 32, 3), (3, 32, 32, 3), (1, 32, 32, 3)]
    assert list_labels(batches) == [1, 2, 3, 4, 5, 6, 7]
    assert [name for batch in batches for name in batch.filenames] == [f"image_{label}.JPEG" for label in range(1, 8)]
    assert batches[0].images.dtype == np.float32
    assert batches[0].labels.dtype == np.int32


def test_images_are_those_of_the_preprocessing(folder: Path, jpegs: tuple[bytes, ...]) -> None:
    expected = np.stack([decode_and_preprocess(jpeg, SMALL).numpy() for jpeg in jpegs])
    np.testing.assert_array_equal(join_images(read(folder)), expected)


def test_batches_are_used_in_place(folder: Path) -> None:
    """TensorFlow takes memory as it is if it starts at a multiple of 64 bytes."""
    for batch in read(folder):
        assert batch.images.ctypes.data % 64 == 0
        assert not batch.images.flags.writeable


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (2, 4), (7, 3), (100, 2)])
def test_order_depends_neither_on_threads_nor_on_batches(batch_size: int, threads: int, folder: Path) -> None:
    batches = read(folder, batch_size=batch_size, threads=threads)
    assert list_labels(batches) == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(join_images(batches), join_images(read(folder)))


@pytest.mark.parametrize("skip", range(8))
def test_what_follows_skipped_images_is_what_an_unbroken_run_would_read(skip: int, folder: Path) -> None:
    rest = read(folder, skip=skip)
    assert list_labels(rest) == [1, 2, 3, 4, 5, 6, 7][skip:]
    if rest:
        whole = np.concatenate([batch.images for batch in read(folder)])
        np.testing.assert_array_equal(join_images(rest), whole[skip:])


def test_skipped_images_are_not_decoded(folder: Path, jpegs: tuple[bytes, ...], write_jpegs: RecordsWriter) -> None:
    write_jpegs("validation-00000-of-00002", [b"no jpeg", *jpegs[1:4]])
    assert list_labels(read(folder, skip=1)) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(("classes", "indices"), [(1001, [999, 1000]), (1000, [998, 999])])
def test_labels_become_indices_of_the_graph(
    classes: int, indices: list[int], tmp_path: Path, write_jpegs: RecordsWriter, jpegs: tuple[bytes, ...]
) -> None:
    write_jpegs("validation-00000-of-00001", jpegs[:2], first_label=999)
    assert list_labels(read(tmp_path, classes=classes)) == indices


@pytest.mark.parametrize(
    ("first_label", "classes", "message"),
    [
        (-3, 1001, r"record 1: label -3 is outside 1\.\.1000"),
        (0, 1001, r"record 1: label 0 is outside 1\.\.1000, the labels of a graph with 1001 classes; use a graph"),
        (0, 1000, r"record 1: label 0 is outside 1\.\.1000, the labels of a graph with 1000 classes"),
        (998, 1001, r"record 4: label 1001 is outside 1\.\.1000"),
        (997, 1000, r"record 5: label 1001 is outside 1\.\.1000"),
        (5, 11, r"record 7: label 11 is outside 1\.\.10, the labels of a graph with 11 classes"),
    ],
)
def test_a_label_out_of_range_is_named(
    first_label: int, classes: int, message: str, tmp_path: Path, write_jpegs: RecordsWriter, jpegs: tuple[bytes, ...]
) -> None:
    write_jpegs("validation-00000-of-00001", jpegs, first_label=first_label)
    with pytest.raises(DataError, match=f"validation-00000-of-00001, {message}"):
        read(tmp_path, classes=classes)


@pytest.mark.parametrize("bad", range(7))
def test_a_corrupt_jpeg_is_named_after_the_good_batches_before_it(
    bad: int, tmp_path: Path, write_jpegs: RecordsWriter, jpegs: tuple[bytes, ...]
) -> None:
    damaged = [jpeg[:-20] if number == bad else jpeg for number, jpeg in enumerate(jpegs)]
    write_jpegs("validation-00000-of-00002", damaged[:4])
    write_jpegs("validation-00001-of-00002", damaged[4:], first_label=5)
    batches = read_batches(find_split(tmp_path), SMALL, 2, 1001, 2)
    good: list[int] = []
    place = f"validation-0000{bad // 4}-of-00002, record {bad % 4 + 1}"
    with pytest.raises(DataError, match=rf"{place}: the JPEG \(\d+ bytes, .* pixels\) is corrupt or cut off; copy"):
        good.extend(label for batch in batches for label in batch.labels)
    assert good == list(range(1, bad // 2 * 2 + 1))


def test_a_record_of_other_bytes_is_named(tmp_path: Path, write_jpegs: RecordsWriter, jpegs: tuple[bytes, ...]) -> None:
    import tensorflow as tf

    write_jpegs("validation-00000-of-00002", jpegs[:2])
    with tf.io.TFRecordWriter(str(tmp_path / "validation-00001-of-00002")) as writer:
        writer.write(b"\xff\xfe garbage")  # which TensorFlow quotes in a message that is no text
    with pytest.raises(DataError, match=r"validation-00001-of-00002, record 1: the record is no tf.train.Example"):
        list(read_batches(find_split(tmp_path), SMALL, 2, 1001, 2))


def test_a_jpeg_of_huge_declared_size_is_named(
    folder: Path, forge_size: SizeForger, write_jpegs: RecordsWriter
) -> None:
    write_jpegs("validation-00001-of-00002", [forge_size(65500, 65500)])
    with pytest.raises(DataError, match=r"-00001-of-00002, record 1: the JPEG declares 65500x65500 pixels, more than"):
        read(folder)


def test_a_jpeg_that_is_too_narrow_for_large_images_is_named(
    tmp_path: Path, make_jpeg: JpegMaker, write_jpegs: RecordsWriter
) -> None:
    write_jpegs("validation-00000-of-00001", [make_jpeg(1, 100)])
    with pytest.raises(DataError, match=r"-00000-of-00001, record 1: the JPEG's 100x1 pixels are too many when its"):
        list(read_batches(find_split(tmp_path), Preprocessing.for_image_size(2048), 1, 1001, 1))


def flip_payload_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)


def test_a_changed_bit_in_a_record_is_named(folder: Path) -> None:
    flip_payload_bit(folder / "validation-00001-of-00002")
    with pytest.raises(DataError, match=r"validation-00001-of-00002, record 3: the record does not match its checksum"):
        read(folder)


def test_a_changed_bit_behind_skipped_records_is_named(folder: Path) -> None:
    flip_payload_bit(folder / "validation-00001-of-00002")
    with pytest.raises(DataError, match=r"validation-00001-of-00002, record 3: the record does not match its checksum"):
        read(folder, skip=5)


def test_a_record_without_a_name_is_named_by_its_place(tmp_path: Path, jpegs: tuple[bytes, ...]) -> None:
    example = make_example(jpegs[0], 1, "", (1, 1, 3))
    nameless = make_example(jpegs[1], 2, "", (1, 1, 3))
    del nameless.features.feature["image/filename"]
    write_records(tmp_path / "validation-00000-of-00001", [example, nameless])
    (batch,) = read(tmp_path)
    assert [Path(name).name for name in batch.filenames] == [
        "validation-00000-of-00001, record 1",
        "validation-00000-of-00001, record 2",
    ]


@pytest.mark.parametrize("name", ["image/encoded", "image/class/label"])
def test_a_record_without_a_feature_is_named(name: str, folder: Path, jpegs: tuple[bytes, ...]) -> None:
    examples = [make_example(jpeg, 1, "1.JPEG", (1, 1, 3)) for jpeg in jpegs[:4]]
    del examples[2].features.feature[name]
    write_records(folder / "validation-00000-of-00002", examples)
    with pytest.raises(DataError, match=f"validation-00000-of-00002, record 3: the record has no {name}, not one; "):
        read(folder)


@pytest.mark.parametrize("kept", [1, 2])
def test_images_that_vanish_during_a_run_are_missed(kept: int, folder: Path, jpegs: tuple[bytes, ...]) -> None:
    split = find_split(folder)
    examples = [make_example(jpeg, 1, "1.JPEG", (1, 1, 3)) for jpeg in jpegs[:kept]]
    write_records(folder / "validation-00001-of-00002", examples)
    with pytest.raises(DataError, match=f"{4 + kept} images came where 7 were counted; leave the files alone"):
        list(read_batches(split, SMALL, 2, 1001, 2))


def test_a_file_that_shrinks_during_a_run_is_named(folder: Path) -> None:
    split = find_split(folder)
    os.truncate(split.files[1], split.sizes_bytes[1] - 10)
    with pytest.raises(DataError, match=r"validation-00001-of-00002, record 3: .* checksum or is cut off"):
        list(read_batches(split, SMALL, 2, 1001, 2))


def test_a_file_that_vanishes_during_a_run_is_named(folder: Path) -> None:
    split = find_split(folder)
    split.files[1].unlink()
    with pytest.raises(
        DataError, match=r"validation-00001-of-00002, record 1: the file cannot be read \(.*No such file"
    ):
        list(read_batches(split, SMALL, 2, 1001, 2))


@pytest.fixture
def jpeg_folder(tmp_path: Path, jpegs: tuple[bytes, ...]) -> Path:
    for number, jpeg in enumerate(jpegs[:5], start=1):
        (tmp_path / f"ILSVRC2012_val_{number:08}.JPEG").write_bytes(jpeg)
    return tmp_path


def test_a_folder_of_jpegs_is_read_like_records(jpeg_folder: Path, jpegs: tuple[bytes, ...]) -> None:
    batches = read(jpeg_folder, batch_size=2, classes=1000)
    assert [len(batch.labels) for batch in batches] == [2, 2, 1]
    assert list_labels(batches)[:3] == [65, 970, 230]
    assert batches[2].filenames == ("ILSVRC2012_val_00000005.JPEG",)
    expected = np.stack([decode_and_preprocess(jpeg, SMALL).numpy() for jpeg in jpegs[:5]])
    np.testing.assert_array_equal(join_images(batches), expected)


@pytest.mark.parametrize("skip", [0, 2, 4, 5])
def test_jpegs_are_skipped_for_a_resumed_run(skip: int, jpeg_folder: Path) -> None:
    names = [name for batch in read(jpeg_folder, skip=skip) for name in batch.filenames]
    assert names == [f"ILSVRC2012_val_{number:08}.JPEG" for number in range(skip + 1, 6)]


def test_a_corrupt_jpeg_file_is_named(jpeg_folder: Path) -> None:
    (jpeg_folder / "ILSVRC2012_val_00000004.JPEG").write_bytes(b"")
    with pytest.raises(DataError, match=r"ILSVRC2012_val_00000004.JPEG: the image \(0 bytes\) is no JPEG; copy"):
        read(jpeg_folder)


def test_a_jpeg_file_that_vanishes_is_named(jpeg_folder: Path) -> None:
    split = find_split(jpeg_folder)
    split.files[3].unlink()
    with pytest.raises(DataError, match=r"ILSVRC2012_val_00000004.JPEG: the file cannot be read \(No such file"):
        list(read_batches(split, SMALL, 2, 1001, 2))


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """A folder whose name is not UTF-8."""
    folder = tmp_path / os.fsdecode(b"d\xff")
    folder.mkdir()
    return folder


def test_a_path_that_is_not_utf_8_is_read(odd_folder: Path, jpegs: tuple[bytes, ...]) -> None:
    (odd_folder / "ILSVRC2012_val_00000001.JPEG").write_bytes(jpegs[0])
    assert list_labels(read(odd_folder)) == [66]
    write_records(odd_folder / "validation-00000-of-00001", [make_example(jpegs[0], 7, "7.JPEG", (1, 1, 3))])
    assert list_labels(read(odd_folder)) == [7]


def test_a_fault_in_a_path_that_is_not_utf_8_is_named(odd_folder: Path, jpegs: tuple[bytes, ...]) -> None:
    file = odd_folder / "validation-00000-of-00001"
    write_records(file, [make_example(jpeg, 7, "7.JPEG", (1, 1, 3)) for jpeg in jpegs])
    split = find_split(odd_folder)
    flip_payload_bit(file)
    with pytest.raises(DataError, match=r"validation-00000-of-00001, record 7: the record does not match its checksum"):
        read(odd_folder)
    file.unlink()
    with pytest.raises(
        DataError, match=r"validation-00000-of-00001, record 1: the file cannot be read \(.*No such file"
    ):
        list(read_batches(split, SMALL, 2, 1001, 2))


def list_threads() -> set[str]:
    return {thread.name for thread in Path("/proc/self/task").iterdir()}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts its threads in Linux' /proc")
def test_leaving_early_stops_the_reader(folder: Path) -> None:
    read(folder)  # TensorFlow's own pools start with the first pipeline
    before = list_threads()
    batches = iter(read_batches(find_split(folder), SMALL, 1, 1001, 2))
    next(batches)
    assert list_threads() > before
    del batches
    deadline = time.monotonic() + 10
    while list_threads() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list_threads() <= before
