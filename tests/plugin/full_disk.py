"""A disk that is full, for the length of a block: longer, pytest's own output might not fit."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_BYTES = 64 << 10


@contextmanager
def full_disk(limit_bytes: int = LIMIT_BYTES) -> Iterator[None]:
    """Let the system refuse files of more bytes, in the middle of their writing, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
