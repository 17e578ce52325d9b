"""Take a file name that no other run has taken."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def reserve_file(folder: Path, stem: str, suffix: str) -> Path:
    """Create the first free of stem.txt, stem_1.txt, stem_2.txt…, empty, and the folder where there is none.

    `suffix` is the `.txt`. A folder that cannot be made or written is an InputError that names --output-dir.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _create_first_free(folder, stem, suffix)
    except OSError as error:
        raise InputError(
            f"--output-dir {folder} cannot be written ({error.strerror}): pass a folder that you may write to."
        ) from error


def write_new_file(folder: Path, stem: str, suffix: str, content: bytes) -> Path:
    """Write under the first free name; InputErrors as of `reserve_file`, and a full disk, which leaves nothing behind.

    Readers see an empty file or the whole one: a process that is killed in between leaves the name alone.
    """
    path = reserve_file(folder, stem, suffix)
    try:
        write_atomically(path, content)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _create_first_free(folder: Path, stem: str, suffix: str) -> Path:
    for number in count():
        path = folder / f"{stem}{f'_{number}' if number else ''}{suffix}"
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            return path
    raise AssertionError("the numbers do not end")
