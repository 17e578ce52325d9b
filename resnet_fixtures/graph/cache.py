"""Keep what is built once: a cache file is keyed by everything that its content depends on."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import InputError
from resnet_fixtures.versions import library_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")
GRAPH_SOURCES = ("graph", "data")  # the rooms whose code makes a graph
TRAINING_SOURCES = (*GRAPH_SOURCES, "training")  # and those whose code trains a model
INFERENCE_SOURCES = (*GRAPH_SOURCES, "inference")  # and those whose code runs one
# What may build otherwise in another version.
BUILDERS = ("tensorflow", "keras", "numpy", "neural-compressor-tf", "scikit-learn")


def cache_folder() -> Path:
    """Return the user's cache folder for this project (`$XDG_CACHE_HOME/resnet_fixtures` on Linux)."""
    from platformdirs import user_cache_path

    return user_cache_path("resnet_fixtures")


def make_folder(folder: Path) -> None:
    """Make a cache folder; InputError where that cannot be."""
    with _folder_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


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
    if not path.exists():
        with _locked(path.with_suffix(".lock")):
            if not path.exists():
                build(path)
    return path


def load_cached(find: Callable[[], Path], load: Callable[[Path], T], announce: Callable[[str], object] = str) -> T:
    """Load the cache file that `find` returns, or builds; a damaged one is built again, which `announce` is told.

    Damaged is what `load` raises an InputError or a ValueError for.
    """
    path = find()
    try:
        return load(path)
    except (InputError, ValueError):
        announce(f"{path} is damaged, and is built again")
        with contextlib.suppress(OSError):  # of a cache that may not be written; the error comes again then
            path.unlink()
        return load(find())


@contextlib.contextmanager
def _locked(lock_file: Path) -> Iterator[None]:
    from filelock import FileLock

    lock = FileLock(lock_file)
    make_folder(lock_file.parent)
    with _folder_errors(lock_file.parent):
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
