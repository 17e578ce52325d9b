"""In which order a rank reads the files of a training set: as its numbers say, on every machine, in every version."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from resnet_fixtures.data.split import Split

DRAWN_BITS = 62  # an int64, and room to count on


def draw(*parts: object) -> int:
    """Draw a number of DRAWN_BITS bits that depends on the parts' texts alone."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 64 - DRAWN_BITS


def shuffle(values: Iterable[int], *parts: object) -> tuple[int, ...]:
    """Bring distinct numbers into an order that depends on them and the parts alone."""
    return tuple(sorted(values, key=lambda value: draw(*parts, value)))


@dataclass(frozen=True)
class ShardOrder:
    """How one of `ranks` reads its share of a split of TFRecords in one epoch.

    The files of all ranks are shuffled and dealt out anew in every epoch. A rank that needs more images than its files
    hold reads them again, in another order: in a second pass, a third and so on.
    """

    split: Split
    rank: int
    ranks: int
    seed: int
    epoch: int

    @cached_property
    def dealt(self) -> tuple[int, ...]:
        """List the rank's files, by their place in the split, in the first pass's order."""
        return shuffle(range(len(self.split.files)), "files", self.seed, self.epoch)[self.rank :: self.ranks]

    @cached_property
    def held(self) -> int:
        """Count the images in the rank's files."""
        return sum(self.split.counts[file] for file in self.dealt)

    def list_files(self, number: int) -> tuple[int, ...]:
        """List the files of a pass, by their place in the split, in reading order; passes count from 0."""
        return shuffle(self.dealt, "pass", self.seed, self.epoch, number) if number else self.dealt

    def list_passes(self, images: int) -> tuple[tuple[Path, ...], ...]:
        """List the files of as many passes as so many images need."""
        needed = -(-images // self.held)
        return tuple(tuple(self.split.files[file] for file in self.list_files(number)) for number in range(needed))

    def name_place(self, number: int) -> str:
        """Name the file and record of the image that is read after so many others, passes included."""
        passed, left = divmod(number, self.held)
        for file in self.list_files(passed):
            if left < self.split.counts[file]:
                return self.split.name_place(sum(self.split.counts[:file]) + left)
            left -= self.split.counts[file]
        raise AssertionError("a pass is shorter than its files")
