"""Take a file name that no other run has taken."""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from resnet_fixtures.atomic_file import written_beside
from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def reserve_file(folder: Path, stem: str, suffix: str) -> Path:
    """Create the first free of stem.txt, stem_1.txt, stem_2.txt…, empty, and the folder where there is none.

    `suffix` is the `.txt`. A folder that cannot be made or written is an InputError that names --output-dir.
    """
    with _refusing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return _take_first_free(folder, stem, suffix, lambda path: path.touch(exist_ok=False))


def write_new_file(folder: Path, stem: str, suffix: str, content: bytes) -> Path:
    """Write under the first free name, which appears with the whole content or not at all.

    InputErrors as of `reserve_file`, and for a full disk, which leaves nothing behind.
    """
    with _refusing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with written_beside(folder / f"{stem}{suffix}", content) as temporary:
        return _take_first_free(folder, stem, suffix, lambda path: _name(temporary, path))


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"--output-dir {folder} cannot be written ({error.strerror}): pass a folder that you may write to."
        ) from error


def _name(temporary: Path, path: Path) -> None:
    """Give the file a name that is free; FileExistsError where it is not."""
    try:
        os.link(temporary, path)
    except PermissionError:  # a file system without hard links, such as FAT
        path.touch(exist_ok=False)
        temporary.replace(path)


def _take_first_free(folder: Path, stem: str, suffix: str, take: Callable[[Path], object]) -> Path:
    for number in count():
        path = folder / f"{stem}{f'_{number}' if number else ''}{suffix}"
        try:
            take(path)
        except FileExistsError:
            continue
        return path
    raise AssertionError("the numbers do not end")
