from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.data.diagnosis import diagnose_file, diagnose_jpeg, diagnose_record, explain_failure
from resnet_fixtures.data.location import find_split
from resnet_fixtures.data.preprocess import Preprocessing
from resnet_fixtures.data.records import make_example
from resnet_fixtures.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.data.conftest import JpegMaker, SizeForger


def test_a_good_jpeg_has_no_fault(jpegs: tuple[bytes, ...]) -> None:
    assert [diagnose_jpeg(jpeg) for jpeg in jpegs] == [None] * 7


def test_faults_of_a_jpeg(make_jpeg: JpegMaker) -> None:
    jpeg = make_jpeg(40, 30)
    assert diagnose_jpeg(b"") == "the image (0 bytes) is no JPEG"
    assert diagnose_jpeg(b"\x89PNG") == "the image (4 bytes) is no JPEG"
    assert diagnose_jpeg(jpeg[:-50]) == f"the JPEG ({len(jpeg) - 50} bytes, 30x40 pixels) is corrupt or cut off"


def test_a_jpeg_of_huge_declared_size_is_not_decoded(forge_size: SizeForger) -> None:
    assert (
        diagnose_jpeg(forge_size(65500, 65500))
        == "the JPEG declares 65500x65500 pixels, more than an image of the set can have"
    )


def test_a_jpeg_that_is_too_narrow_for_large_images_says_so(make_jpeg: JpegMaker) -> None:
    jpeg = make_jpeg(1, 100)
    assert diagnose_jpeg(jpeg) is None
    fault = "the JPEG's 100x1 pixels are too many when its short side has 2341"
    assert diagnose_jpeg(jpeg, Preprocessing.for_image_size(2048)) == fault


def test_a_good_record_has_no_fault(jpegs: tuple[bytes, ...]) -> None:
    example = make_example(jpegs[0], 1, "1.JPEG", (1, 1, 3))
    assert diagnose_record(example.SerializeToString()) is None
    del example.features.feature["image/filename"]
    assert diagnose_record(example.SerializeToString()) is None


@pytest.mark.parametrize("name", ["image/encoded", "image/class/label"])
def test_a_record_without_a_feature_says_which(name: str, jpegs: tuple[bytes, ...]) -> None:
    example = make_example(jpegs[0], 1, "1.JPEG", (1, 1, 3))
    del example.features.feature[name]
    assert diagnose_record(example.SerializeToString()) == f"the record has no {name}, not one"


def test_a_record_with_two_labels_says_so(jpegs: tuple[bytes, ...]) -> None:
    example = make_example(jpegs[0], 1, "1.JPEG", (1, 1, 3))
    example.features.feature["image/class/label"].int64_list.value.append(2)
    assert diagnose_record(example.SerializeToString()) == "the record has 2 image/class/label, not one"


def test_a_record_with_a_label_in_letters_says_so(jpegs: tuple[bytes, ...]) -> None:
    example = make_example(jpegs[0], 1, "1.JPEG", (1, 1, 3))
    example.features.feature["image/class/label"].bytes_list.value[:] = [b"1"]
    assert "the type of image/encoded, image/class/label, image/filename is not string, int64" in str(
        diagnose_record(example.SerializeToString())
    )


def test_other_bytes_are_no_example() -> None:
    assert str(diagnose_record(b"no example")).startswith("the record is no tf.train.Example")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert diagnose_file(tmp_path) == "the file cannot be read (Is a directory)"


def test_a_fault_that_does_not_show_again_is_told_in_the_words_of_the_pipeline(folder: Path) -> None:
    error = explain_failure(find_split(folder), 2, "device lost")
    assert isinstance(error, DataError)
    assert str(error).endswith("7 images in 2 TFRecord files: reading failed after 2 images (device lost); try again.")
