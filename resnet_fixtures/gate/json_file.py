"""Read JSON that others may have written, cut short or put in the way."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 128 << 20  # a hundred tests with the answers for 50,000 images take less than half of it
WRITERS = "--gate, --gate-update or --benchmark-json"


def read_json(path: Path) -> Any:
    """Parse a regular file of at most MAX_BYTES; anything else is an InputError.

    Numbers that are not finite come as None, which no reader takes for a number.
    """
    with refusing(path):
        _check(path)
        content = path.read_bytes()
    try:
        return json.loads(content, parse_float=_parse_finite, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from error


def list_json(folder: Path, pattern: str = "*.json") -> list[Path]:
    """List the files with such a name, in order, of a folder and of the folders in it; InputError for a closed one."""
    with refusing(folder):
        entries = list(folder.iterdir())
        folders = [entry for entry in entries if entry.is_dir()]
    for inner in folders:
        with refusing(inner):
            entries.extend(inner.iterdir())
    return sorted(entry for entry in entries if fnmatch(entry.name, pattern))


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what the system says against reading a path to an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): pass a file that you may read.") from error


def damaged(path: Path, reason: object) -> InputError:
    """Return the error for a file that is not whole."""
    return InputError(f"{path} is damaged ({reason}): restore it from a copy, or delete it and measure again.")


def _check(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path} does not exist: write a baseline with --gate-update, or a run with --gate, first.")
    if not path.is_file():  # a pipe would never end
        raise InputError(f"{path} is no regular file: pass one that {WRITERS} wrote.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        sizes = f"{size >> 20} MiB, where no run has more than {MAX_BYTES >> 20}"
        raise InputError(f"{path} has {sizes}: pass a file that {WRITERS} wrote.")


def _parse_finite(text: str) -> float | None:
    """Parse a number; 1e999 is none."""
    number = float(text)
    return number if math.isfinite(number) else None
