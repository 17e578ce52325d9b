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
    _check_length(option, folder, existing)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = f"{existing} cannot be written ({error.strerror})"
        raise InputError(f"{option} {folder}: {reason}: pass a folder that you may write to.") from error


def _check_length(option: str, folder: Path, existing: Path) -> None:
    """Refuse a name that is too long, and a path that leaves no room for a file's name (and the end of the string)."""
    longest = os.pathconf(existing, "PC_NAME_MAX")
    if any(len(os.fsencode(name)) > longest for name in folder.parts):
        raise InputError(f"{option} {folder}: a name in it has more than {longest} bytes: pass a shorter one.")
    room = os.pathconf(existing, "PC_PATH_MAX") - longest - len("/") - 1
    length = len(os.fsencode(folder.absolute()))
    if length > room:
        shown = f"{str(folder)[:60]}…"
        raise InputError(f"{option} {shown}: the whole path has {length} bytes, over {room}: pass a shorter one.")
