"""Look at a folder before anything is to be written there."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def check_folder(option: str, folder: Path) -> None:
    """Raise an InputError for an option's folder that cannot be made or written."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(parent))
    if not existing.is_dir():
        raise InputError(f"{option} {folder}: {existing} is no folder: pass a folder that you may write to.")
    longest = os.pathconf(existing, "PC_NAME_MAX")
    if any(len(os.fsencode(name)) > longest for name in folder.parts):
        raise InputError(f"{option} {folder}: a name in it has more than {longest} bytes: pass a shorter one.")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = f"{existing} cannot be written ({error.strerror})"
        raise InputError(f"{option} {folder}: {reason}: pass a folder that you may write to.") from error
