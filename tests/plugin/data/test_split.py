from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from resnet_fixtures.data.split import Split, SplitKind

SPLIT = Split(
    name="validation",
    location=Path("/data"),
    kind=SplitKind.RECORDS,
    files=(Path("/data/validation-0-of-2"), Path("/data/validation-1-of-2")),
    counts=(2, 1200),
    sizes_bytes=(100, 60_000),
    promised_files=2,
    checksums=("a", "b"),
)


def test_images_are_those_of_all_files() -> None:
    assert SPLIT.images == 1202


def test_description_counts_images_and_files() -> None:
    assert SPLIT.describe() == "validation split of /data: 1,202 images in 2 TFRecord files"


def test_a_part_of_the_set_says_so() -> None:
    part = replace(SPLIT, promised_files=128)
    assert SPLIT.is_complete
    assert not part.is_complete
    assert part.describe() == "validation split of /data: 1,202 images in 2 of 128 TFRecord files"


@pytest.mark.parametrize(("image", "place"), [(0, (0, 0)), (1, (0, 1)), (2, (1, 0)), (1201, (1, 1199)), (1202, (2, 0))])
def test_an_image_is_located_in_its_file(image: int, place: tuple[int, int]) -> None:
    assert SPLIT.locate(image) == place


def test_places_are_named_for_people() -> None:
    assert SPLIT.name_place(1) == "/data/validation-0-of-2, record 2"
    assert SPLIT.name_image(1) == "validation-0-of-2, record 2"  # wherever the data lie
    jpegs = replace(SPLIT, kind=SplitKind.JPEGS, counts=(1, 1))
    assert jpegs.name_place(1) == "/data/validation-1-of-2"


@pytest.mark.parametrize(
    "other",
    [
        replace(SPLIT, sizes_bytes=(100, 60_001)),
        replace(SPLIT, files=SPLIT.files[::-1]),
        replace(SPLIT, files=SPLIT.files[:1], sizes_bytes=(100,)),
        replace(SPLIT, checksums=("a", "c")),
    ],
)
def test_digest_depends_on_names_sizes_checksums_and_order(other: Split) -> None:
    assert other.digest() != SPLIT.digest()


def test_digest_does_not_depend_on_where_the_set_lies() -> None:
    moved = replace(SPLIT, location=Path("/mnt"), files=tuple(Path("/mnt") / file.name for file in SPLIT.files))
    assert moved.digest() == SPLIT.digest()
    assert len(SPLIT.digest()) == 64


def test_revision_depends_on_when_a_jpeg_was_written_too() -> None:
    jpegs = replace(SPLIT, kind=SplitKind.JPEGS, checksums=(), written_ns=(1, 2))
    again = replace(jpegs, written_ns=(1, 3))
    assert again.digest() == jpegs.digest()
    assert len({split.revision() for split in (jpegs, again, replace(jpegs, sizes_bytes=(100, 7)))}) == 3
