"""Find the images in the folder that the user named."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from resnet_fixtures.data.labels import read_label
from resnet_fixtures.data.records import MAX_IMAGE_BYTES, index_records
from resnet_fixtures.data.split import Split, SplitKind
from resnet_fixtures.errors import DataError, InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

JPEG_SUFFIXES = (".jpeg", ".jpg")


def find_split(location: Path, split: str = "validation") -> Split:
    """Find `<split>-*-of-*` TFRecords or, for validation alone, JPEGs named as in ImageNet, and count the images.

    A location without them is an InputError; a broken TFRecord or a JPEG of unknown label is a DataError. Files
    missing from a set of TFRecords make a part of it, see `Split.is_complete`.
    """
    files = _list_files(location)
    pattern = re.compile(rf"{re.escape(split)}-\d+-of-\d+")
    shards = [file for file in files if pattern.fullmatch(file.name)]
    if shards:
        return _count_records(location, split, shards)
    jpegs = [file for file in files if file.suffix.lower() in JPEG_SUFFIXES]
    if jpegs and split == "validation":
        return _label_jpegs(location, split, jpegs)
    raise InputError(_expect(location, split))


def _list_files(location: Path) -> list[Path]:
    try:
        files = sorted(location.iterdir())
    except FileNotFoundError:
        raise InputError(f"The data location {location} does not exist: name the folder of the images.") from None
    except NotADirectoryError:
        raise InputError(f"The data location {location} is no folder: name the one of the images.") from None
    except OSError as error:
        raise InputError(f"The data location {location} cannot be read ({error.strerror}): check it.") from error
    if not files:
        raise InputError(f"The data location {location} is empty: put the images there or name another folder.")
    return files


def _expect(location: Path, split: str) -> str:
    jpegs = ", or of JPEGs named ILSVRC2012_val_00000001.JPEG and so on" if split == "validation" else ""
    return (
        f"The data location {location} has no {split} split: name a folder of TFRecords named "
        f"{split}-00000-of-00128 and so on{jpegs}."
    )


def _count_records(location: Path, split: str, shards: Sequence[Path]) -> Split:
    promised_files = _read_promise(location, shards)
    indices = [index_records(shard) for shard in shards]
    for index in indices:
        if not index.count:
            raise DataError(f"{index.path} has no records: copy or convert that file again, or remove it.")
    return Split(
        split,
        location,
        SplitKind.RECORDS,
        files=tuple(shards),
        counts=tuple(index.count for index in indices),
        sizes_bytes=tuple(index.size_bytes for index in indices),
        promised_files=promised_files,
        checksums=tuple(index.digest for index in indices),
    )


def _read_promise(location: Path, shards: Sequence[Path]) -> int:
    endings = sorted({shard.name.rpartition("-of-")[2] for shard in shards})
    if len(endings) > 1:
        raise InputError(
            f"The data location {location} mixes TFRecords of several sets "
            f"(-of-{', -of-'.join(endings)}): keep one set."
        )
    promised = int(endings[0])
    _check_numbers(shards, promised)
    return promised


def _check_numbers(shards: Sequence[Path], promised: int) -> None:
    """Refuse two files of one number, and one beyond the set, whose files count from 0 or from 1."""
    numbered: dict[int, Path] = {}
    for shard in shards:
        number = int(shard.name.split("-")[-3])
        if number in numbered:
            raise InputError(f"{numbered[number]} and {shard} have one number in their set: move one of them away.")
        numbered[number] = shard
    last = max(numbered)
    if last > promised - (0 in numbered):
        beyond = f"beyond its set of {promised} files{' that count from 0' if 0 in numbered else ''}"
        raise InputError(f"{numbered[last]} is numbered {beyond}: rename it, or move it away.")


def _label_jpegs(location: Path, split: str, jpegs: Sequence[Path]) -> Split:
    statuses = [_read_status(jpeg) for jpeg in jpegs]
    return Split(
        split,
        location,
        SplitKind.JPEGS,
        files=tuple(jpegs),
        counts=(1,) * len(jpegs),
        sizes_bytes=tuple(status.st_size for status in statuses),
        promised_files=len(jpegs),
        labels=tuple(_label_jpeg(jpeg) for jpeg in jpegs),
        written_ns=tuple(status.st_mtime_ns for status in statuses),
    )


def _read_status(jpeg: Path) -> os.stat_result:
    try:
        status = jpeg.stat()
    except OSError as error:
        raise DataError(f"{jpeg} cannot be read ({error.strerror}): copy it again, or remove it.") from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{jpeg} is no file: remove it, or copy the image there.")
    if status.st_size > MAX_IMAGE_BYTES:
        size = f"{status.st_size} bytes, more than an image of the set can have"
        raise DataError(f"{jpeg} has {size}: copy it again, or remove it.")
    return status


def _label_jpeg(jpeg: Path) -> int:
    label = read_label(jpeg.name)
    if label is None:
        raise DataError(
            f"{jpeg} has no known label: keep ImageNet's own file names, from ILSVRC2012_val_00000001.JPEG on, "
            "and move other images away."
        )
    return label
