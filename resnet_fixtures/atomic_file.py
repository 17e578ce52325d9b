"""Write a file so that readers see the old content or the new, never a part."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.paths import exists, is_file

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path` and rename; InputError if folder or disk refuse. No partial file is left behind.

    A link stays one, and what it leads to is replaced; what is no regular file (a folder, /dev/null) is refused. Others
    may read a new file; one that is replaced keeps its permissions.
    """
    path = Path(os.path.realpath(path))
    if exists(path) and not is_file(path):
        raise InputError(f"{path} is no regular file and would be replaced by one: name another.")
    with written_beside(path, content) as temporary:
        temporary.replace(path)


@contextmanager
def written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """Write a temporary file in the folder of `path`, to be renamed in the block; InputErrors of `write_atomically`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # else the new name may survive a power cut that its content does not
            temporary.chmod(path.stat().st_mode & 0o777 if exists(path) else 0o644)  # mkstemp's is 0600
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): make room, or name another folder.") from error
