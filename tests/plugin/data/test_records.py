from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.data.records import (
    HEADER,
    MAX_IMAGE_BYTES,
    compute_crc32c,
    index_records,
    make_example,
    mask_checksum,
    write_records,
)
from resnet_fixtures.errors import DataError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import tensorflow as tf


def declare_length(length: int) -> bytes:
    """Make a record's header whose checksum is right."""
    return HEADER.pack(length, mask_checksum(compute_crc32c(length.to_bytes(8, "little"))))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three records of different lengths."""
    path = tmp_path / "train-00000-of-00001"
    write_records(path, (make_example(b"x" * n, n, f"{n}.JPEG", (1, 1, 3)) for n in (1, 9, 30)))
    return path


def find_ends(path: Path) -> list[int]:
    import tensorflow as tf

    ends = [0]
    for record in tf.data.TFRecordDataset(str(path)):
        ends.append(ends[-1] + 12 + len(record.numpy()) + 4)
    return ends


def test_index_counts_what_tensorflow_reads(path: Path) -> None:
    index = index_records(path)
    assert (index.path, index.count, index.size_bytes) == (path, 3, path.stat().st_size)
    assert find_ends(path)[-1] == index.size_bytes


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert index_records(tmp_path / "empty").count == 0


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert index_records(tmp_path / "pipe").count == 0


def test_every_cut_that_is_not_between_records_is_found(path: Path) -> None:
    whole, ends = path.read_bytes(), find_ends(path)
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        before = sum(end <= cut for end in ends) - 1
        if cut in ends:
            assert index_records(path).count == before
        else:
            with pytest.raises(DataError, match=rf"{path}, record {before + 1}: (cut off|declares).*; copy or convert"):
                index_records(path)


def test_a_huge_declared_length_is_refused_without_reading_it(path: Path) -> None:
    with path.open("ab") as file:
        file.write(declare_length(2**60) + b"payload")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=rf"record 4: declares {2**60} bytes where 3 are left"):
        index_records(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


@pytest.mark.parametrize(("length", "is_refused"), [(MAX_IMAGE_BYTES, False), (MAX_IMAGE_BYTES + 1, True)])
def test_a_record_that_no_image_can_fill_is_refused_though_its_file_is_as_long(
    length: int, is_refused: bool, path: Path
) -> None:
    with path.open("ab") as file:
        file.write(declare_length(length))
        file.truncate(file.tell() + length + 4)  # a hole, which takes no disk
    if is_refused:
        with pytest.raises(DataError, match=rf"record 4: declares {length} bytes, more than an image of the set can"):
            index_records(path)
    else:
        assert index_records(path).count == 4


@pytest.mark.parametrize("bit", [0, 1, 12, 63, 64, 95])
def test_one_wrong_bit_of_a_header_is_found_in_its_own_record(bit: int, path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[find_ends(path)[1] + bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="record 2: its length does not match its checksum"):
        index_records(path)


def test_any_other_file_is_told_to_be_no_records(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a text that is no TFRecord file")
    with pytest.raises(DataError, match=r"record 1: .* this is no TFRecord file"):
        index_records(tmp_path / "text")


def test_what_cannot_be_opened_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\): check its kind"):
        index_records(tmp_path)


def test_checksum_of_the_standard_example() -> None:
    assert compute_crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value
    assert compute_crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def fail_after(examples: int) -> Iterator[tf.train.Example]:
    for _ in range(examples):
        yield make_example(b"new", 1, "new.JPEG", (1, 1, 3))
    raise RuntimeError("disk full")


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="disk full"):
        write_records(tmp_path / "train-00000-of-00001", fail_after(2))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_keeps_the_earlier_file(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="disk full"):
        write_records(path, fail_after(2))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_same_examples_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_records(tmp_path / name, [make_example(b"jpeg", 1, "1.JPEG", (3, 2, 3), "n01440764", "tench")])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_example_has_the_layout_of_the_conversion_scripts() -> None:
    example = make_example(b"jpeg", 1, "n01440764_1.JPEG", (375, 500, 3), "n01440764", "tench")
    values = {
        name: list(feature.bytes_list.value) or list(feature.int64_list.value)
        for name, feature in example.features.feature.items()
    }
    assert values == {
        "image/encoded": [b"jpeg"],
        "image/class/label": [1],
        "image/class/synset": [b"n01440764"],
        "image/class/text": [b"tench"],
        "image/filename": [b"n01440764_1.JPEG"],
        "image/height": [375],
        "image/width": [500],
        "image/channels": [3],
        "image/format": [b"JPEG"],
        "image/colorspace": [b"RGB"],
    }


def test_a_greyscale_example_says_so() -> None:
    features = make_example(b"jpeg", 1, "1.JPEG", (375, 500, 1)).features.feature
    assert features["image/colorspace"].bytes_list.value == [b"Grayscale"]
