"""Keep what is built once: a cache file is keyed by everything that its content depends on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import InputError
from resnet_fixtures.paths import exists, is_folder
from resnet_fixtures.versions import library_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")
GRAPH_SOURCES = ("graph", "data")  # the rooms whose code makes a graph
TRAINING_SOURCES = (*GRAPH_SOURCES, "training")  # and those whose code trains a model
INFERENCE_SOURCES = (*GRAPH_SOURCES, "inference")  # and those whose code runs one
DAMAGE = (InputError, OSError, ValueError)  # what is raised by who loads a damaged file
# What may build otherwise in another version.
BUILDERS = ("tensorflow", "keras", "numpy", "neural-compressor-tf", "scikit-learn")


def cache_folder() -> Path:
    """Return the user's cache folder for this project (`$XDG_CACHE_HOME/resnet_fixtures` on Linux)."""
    from platformdirs import user_cache_path

    return user_cache_path("resnet_fixtures")


def make_folder(folder: Path) -> None:
    """Make a cache folder; InputError where that cannot be, or where it may not be searched."""
    with _folder_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            (folder / "any").lstat()


def cached_file(
    folder: Path,
    name: str,
    key: Mapping[str, object],
    build: Callable[[], bytes],
    sources: Sequence[str] = GRAPH_SOURCES,
) -> Path:
    """Return the cache file for `key`, whose content `build` makes if no process has done it yet."""
    return cached_path(folder, name, key, lambda path: write_atomically(path, build()), sources)


def cached_path(
    folder: Path,
    name: str,
    key: Mapping[str, object],
    build: Callable[[Path], None],
    sources: Sequence[str] = GRAPH_SOURCES,
) -> Path:
    """Return the cache file or folder for `key`, built by this process if no other has done it.

    A lock beside it lets one of several processes build and the others wait; `build` must let it appear whole or not
    at all. `name` is a file name; the key's digest goes before its suffix.
    """
    path = folder / f"{Path(name).stem}-{digest_key(key, sources)[:16]}{Path(name).suffix}"
    if not exists(path):
        with _locked(path):
            if not exists(path):
                build(path)
    return path


def load_cached(find: Callable[[], Path], load: Callable[[Path], T], announce: Callable[[str], object] = str) -> T:
    """Load the cache file or folder that `find` returns, or builds; a damaged one is built again.

    Damaged is what `load` raises one of DAMAGE for; `announce` is told. One that may not be removed is an InputError.
    """
    path = find()
    try:
        return load(path)
    except DAMAGE:
        announce(f"{path} is damaged, and is built again")
        _remove_damaged(path, load)
        return load(find())


def _remove_damaged(path: Path, load: Callable[[Path], object]) -> None:
    """Remove a file or folder, unless another run has built it again meanwhile."""
    with _locked(path):
        try:
            load(path)
        except DAMAGE:
            with _folder_errors(path.parent):
                shutil.rmtree(path) if is_folder(path) else path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    from filelock import FileLock

    lock = FileLock(path.with_suffix(".lock"))
    make_folder(path.parent)
    with _folder_errors(path.parent):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _folder_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"the cache folder {folder} cannot be used ({error.strerror or error})"
        raise InputError(f"{message}: make room, or name another with XDG_CACHE_HOME.") from error


def digest_key(key: Mapping[str, object], sources: Sequence[str] = GRAPH_SOURCES) -> str:
    """Return a SHA-256 of the key, the builders' versions and the source files of the rooms that build."""
    complete = {"key": dict(key), "versions": library_versions(BUILDERS), "sources": _digest_sources(sources)}
    return hashlib.sha256(json.dumps(complete, sort_keys=True).encode()).hexdigest()


def _digest_sources(rooms: Sequence[str]) -> str:
    package = Path(__file__).parents[1]
    files = sorted(path for room in rooms for path in (package / room).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
