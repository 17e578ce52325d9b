"""Hold a data set's split: its files in reading order, their sizes and their images."""

from __future__ import annotations

import bisect
import hashlib
import itertools
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class SplitKind(str, Enum):
    """Tell TFRecord files from a folder of images."""

    RECORDS = "TFRecord files"
    JPEGS = "JPEG files"


@dataclass(frozen=True)
class Split:
    """Hold the files of a split in reading order, with the number of images and of bytes in each.

    `labels` are those of the JPEGs, 1..1000, and `written_ns` the times of their last change; TFRecords carry their
    labels and have `checksums`, a digest of the records' own in each file. `promised_files` is the number of files
    that the names of the TFRecords promise (`-of-00128`).
    """

    name: str
    location: Path
    kind: SplitKind
    files: tuple[Path, ...]
    counts: tuple[int, ...]
    sizes_bytes: tuple[int, ...]
    promised_files: int
    labels: tuple[int, ...] = ()
    written_ns: tuple[int, ...] = ()
    checksums: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Count the images of all files."""
        return sum(self.counts)

    @property
    def is_complete(self) -> bool:
        """Tell whether no file is missing, as far as the names say."""
        return len(self.files) == self.promised_files

    def describe(self) -> str:
        """Say in one line what will be read, for example in a header."""
        files = f"{len(self.files):,}" if self.is_complete else f"{len(self.files):,} of {self.promised_files:,}"
        return f"{self.name} split of {self.location}: {self.images:,} images in {files} {self.kind.value}"

    def digest(self) -> str:
        """Fingerprint the files' names and sizes and the records' checksums, in order, wherever the set lies.

        A change that leaves a JPEG file its size goes unnoticed, see `revision`.
        """
        parts = (f"{file.name}\0{size}\n" for file, size in zip(self.files, self.sizes_bytes, strict=True))
        return hashlib.sha256("".join((*parts, *self.checksums)).encode()).hexdigest()

    def revision(self) -> str:
        """Fingerprint the set as it lies here: a JPEG that is written again, too, makes another one."""
        return hashlib.sha256(f"{self.digest()} {self.written_ns}".encode()).hexdigest()

    def locate(self, image: int) -> tuple[int, int]:
        """Give the index of the file that holds an image, and the image's index in that file; all count from 0."""
        ends = tuple(itertools.accumulate(self.counts))
        file = bisect.bisect_right(ends, image)
        return file, image - (ends[file - 1] if file else 0)

    def name_place(self, image: int) -> str:
        """Name the file of an image and, where it holds several, the record, counted from 1."""
        return f"{self.files[self.locate(image)[0]].parent / self.name_image(image)}"

    def name_image(self, image: int) -> str:
        """Name an image as `name_place` does, without the folder: it is the same wherever the data lie."""
        file, record = self.locate(image)
        return f"{self.files[file].name}" + (f", record {record + 1}" if self.kind is SplitKind.RECORDS else "")
