"""Write a file so that readers see the old content or the new, never a part."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from resnet_fixtures.errors import InputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path` and rename; InputError if folder or disk refuse. No partial file is left behind."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # else the new name may survive a power cut that its content does not
            temporary.chmod(0o644)  # mkstemp makes 0600, others may read results
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): make room, or name another folder.") from error
