"""Look at a path that somebody has typed: what the system refuses to look at is not there.

pathlib raises for a folder that may not be searched, and for a name that is too long, up to Python 3.13.
"""

# ruff: noqa: PTH110, PTH112, PTH113 - they look away as is wanted here

from __future__ import annotations

import argparse
import os
from pathlib import Path

FILE_SCHEME = "file://"


def parse_path(text: str) -> Path:
    """Parse an option's path; an empty one, as of a shell variable that is not set, is an ArgumentTypeError."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; name one, and see that the shell's variable is set")
    return Path(text)


def exists(path: Path) -> bool:
    """Tell whether there is anything."""
    return os.path.exists(path)


def is_file(path: Path) -> bool:
    """Tell whether there is a regular file, or a link to one."""
    return os.path.isfile(path)


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder, or a link to one."""
    return os.path.isdir(path)


def find_storage_folder(storage: str) -> Path | None:
    """Take a --benchmark-storage of pytest-benchmark: a path, or file:// before one; None for one of another kind."""
    folder = storage.removeprefix(FILE_SCHEME)
    return None if "://" in folder else Path(folder)
