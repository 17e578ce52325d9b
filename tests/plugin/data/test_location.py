from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.data.location import find_split
from resnet_fixtures.data.records import MAX_IMAGE_BYTES
from resnet_fixtures.data.split import SplitKind
from resnet_fixtures.errors import DataError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.data.conftest import RecordsWriter


def test_records_are_found_in_order_and_counted(folder: Path) -> None:
    (folder / "readme.txt").write_text("not data")
    (folder / "validation-00000-of-00002.md5").write_text("not data either")
    split = find_split(folder)
    assert split.kind is SplitKind.RECORDS
    assert [file.name for file in split.files] == ["validation-00000-of-00002", "validation-00001-of-00002"]
    assert split.counts == (4, 3)
    assert split.images == 7
    assert split.sizes_bytes == tuple(file.stat().st_size for file in split.files)
    assert split.is_complete


def test_records_of_other_labels_are_another_set_though_their_sizes_stay(
    folder: Path, write_jpegs: RecordsWriter, jpegs: tuple[bytes, ...]
) -> None:
    before = find_split(folder)
    write_jpegs("validation-00001-of-00002", jpegs[4:], first_label=6)
    after = find_split(folder)
    assert after.sizes_bytes == before.sizes_bytes
    assert after.digest() != before.digest()
    write_jpegs("validation-00001-of-00002", jpegs[4:], first_label=5)
    assert find_split(folder).digest() == before.digest()


def test_jpegs_know_when_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "ILSVRC2012_val_00000001.JPEG"
    path.write_bytes(b"jpeg")
    before = find_split(tmp_path)
    os.utime(path, ns=(0, 1))
    after = find_split(tmp_path)
    assert after.written_ns == (1,)
    assert (after.digest(), after.revision() == before.revision()) == (before.digest(), False)


def test_another_split_is_found_by_its_name(folder: Path, write_jpegs: RecordsWriter) -> None:
    write_jpegs("train-00000-of-00001", [b"jpeg"])
    write_jpegs("calibration-1-of-1", [b"jpeg", b"jpeg"])
    assert find_split(folder, "train").images == 1
    assert find_split(folder, "calibration").images == 2


def test_a_split_with_a_file_missing_is_a_part_and_says_so(folder: Path) -> None:
    (folder / "validation-00000-of-00002").unlink()
    split = find_split(folder)
    assert not split.is_complete
    assert split.describe() == f"validation split of {folder}: 3 images in 1 of 2 TFRecord files"


def test_files_of_two_sets_are_not_mixed(folder: Path, write_jpegs: RecordsWriter) -> None:
    write_jpegs("validation-00000-of-00128", [b"jpeg"])
    with pytest.raises(InputError, match=r"mixes TFRecords of several sets \(-of-00002, -of-00128\): keep one set"):
        find_split(folder)


@pytest.mark.parametrize("number", ["00002", "00009"])
def test_a_file_beyond_its_set_is_refused(number: str, folder: Path) -> None:
    shutil.copy(folder / "validation-00000-of-00002", folder / f"validation-{number}-of-00002")
    beyond = f"validation-{number}-of-00002 is numbered beyond its set of 2 files that count from 0: rename it"
    with pytest.raises(InputError, match=beyond):
        find_split(folder)


def test_files_may_count_from_1(folder: Path) -> None:
    (folder / "validation-00000-of-00002").rename(folder / "validation-00002-of-00002")
    assert find_split(folder).is_complete
    shutil.copy(folder / "validation-00001-of-00002", folder / "validation-00003-of-00002")
    with pytest.raises(InputError, match=r"validation-00003-of-00002 is numbered beyond its set of 2 files: rename it"):
        find_split(folder)


def test_two_files_of_one_number_are_refused(folder: Path) -> None:
    shutil.copy(folder / "validation-00000-of-00002", folder / "validation-0-of-00002")
    both = "validation-0-of-00002 and .*validation-00000-of-00002 have one number in their set: move one"
    with pytest.raises(InputError, match=both):
        find_split(folder)


def test_an_empty_record_file_is_refused(folder: Path) -> None:
    (folder / "validation-00001-of-00002").write_bytes(b"")
    with pytest.raises(DataError, match=r"validation-00001-of-00002 has no records: copy or convert that file again"):
        find_split(folder)


def test_a_truncated_record_file_is_refused_with_its_record(folder: Path) -> None:
    file = folder / "validation-00001-of-00002"
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(DataError, match=r"validation-00001-of-00002, record 3: declares \d+ bytes where \d+ are left"):
        find_split(folder)


def test_a_record_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "validation-00000-of-00001").mkdir()
    with pytest.raises(InputError, match=r"validation-00000-of-00001 cannot be read \(Is a directory\)"):
        find_split(tmp_path)


def test_a_missing_location_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data location .*nowhere does not exist: name the folder"):
        find_split(tmp_path / "nowhere")


def test_a_location_that_is_a_file_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"validation-00000-of-00002 is no folder: name the one"):
        find_split(folder / "validation-00000-of-00002")


def test_an_empty_location_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty: put the images there"):
        find_split(tmp_path)


def test_an_unreadable_location_is_refused(locked: Path) -> None:
    with pytest.raises(InputError, match=r"locked cannot be read \(Permission denied\): check it"):
        find_split(locked)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("validation", r"TFRecords named validation-00000-of-00128 and so on, or of JPEGs named ILSVRC2012_val_"),
        ("train", r"TFRecords named train-00000-of-00128 and so on\."),
    ],
)
def test_a_location_without_the_split_says_which_names_are_expected(split: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "test-00000-of-00001").touch()
    with pytest.raises(InputError, match=f"has no {split} split: name a folder of {expected}"):
        find_split(tmp_path, split)


def test_jpegs_are_labelled_by_name(tmp_path: Path) -> None:
    for number in (3, 1):
        (tmp_path / f"ILSVRC2012_val_{number:08}.JPEG").write_bytes(b"jpeg")
    (tmp_path / "val_map.txt").touch()
    split = find_split(tmp_path)
    assert split.kind is SplitKind.JPEGS
    assert [file.name for file in split.files] == ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000003.JPEG"]
    assert split.labels == (66, 231)
    assert split.counts == (1, 1)
    assert split.describe() == f"validation split of {tmp_path}: 2 images in 2 JPEG files"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.symlink_to("nowhere"), r"cannot be read \(No such file or directory\): copy it again"),
        (Path.mkdir, "is no file: remove it"),
        (os.mkfifo, "is no file: remove it"),
    ],
    ids=["a link to nothing", "a folder", "a pipe"],
)
def test_a_jpeg_that_is_no_file_is_named(tmp_path: Path, spoil: Callable[[Path], object], reason: str) -> None:
    (tmp_path / "ILSVRC2012_val_00000001.JPEG").touch()
    spoil(tmp_path / "ILSVRC2012_val_00000002.JPEG")
    with pytest.raises(DataError, match=f"ILSVRC2012_val_00000002.JPEG {reason}"):
        find_split(tmp_path)


def test_a_jpeg_that_no_image_can_fill_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ILSVRC2012_val_00000001.JPEG"
    path.touch()
    os.truncate(path, MAX_IMAGE_BYTES)
    assert find_split(tmp_path).images == 1
    os.truncate(path, MAX_IMAGE_BYTES + 1)
    with pytest.raises(
        DataError, match=rf"JPEG has {MAX_IMAGE_BYTES + 1} bytes, more than an image of the set can have"
    ):
        find_split(tmp_path)


@pytest.mark.parametrize("name", ["cat.jpg", "ILSVRC2012_val_00050001.JPEG"])
def test_a_jpeg_without_a_label_is_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "ILSVRC2012_val_00000001.JPEG").touch()
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"{name} has no known label: keep ImageNet's own file names"):
        find_split(tmp_path)


def test_jpegs_are_no_train_split(tmp_path: Path) -> None:
    (tmp_path / "ILSVRC2012_val_00000001.JPEG").touch()
    with pytest.raises(InputError, match="has no train split"):
        find_split(tmp_path, "train")
