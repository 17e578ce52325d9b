"""Find, read and update the baseline."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.benchmark_file import is_benchmarks, parse_benchmarks
from resnet_fixtures.gate.benchmark_storage import join_baseline, join_runs, list_runs, read_runs
from resnet_fixtures.gate.json_file import read_json, refusing
from resnet_fixtures.gate.run_file import parse_run, read_run, write_run
from resnet_fixtures.paths import find_storage_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from resnet_fixtures.gate.benchmark_file import SavedTest
    from resnet_fixtures.gate.benchmark_storage import Found
    from resnet_fixtures.gate.samples import Entry

NAME = "gate-baseline.json"
LOCK_PATIENCE_S = 60.0  # an update takes far less than a second


def default_baseline_path(benchmark_storage: str) -> Path:
    """Return the baseline's place in the folder of --benchmark-storage; InputError for a storage without a folder."""
    folder = find_storage_folder(benchmark_storage)
    if folder is None:
        raise InputError(f"--benchmark-storage {benchmark_storage} has no folder for a baseline: pass --gate-baseline.")
    return folder / NAME


def read_baseline(path: Path, announce: Callable[[str], object] = str, judged: Path | None = None) -> dict[str, Entry]:
    """Read the gate's file, or a file or a storage folder of pytest-benchmark; InputError where there is none.

    `announce` is told in sentences what was left out of pytest-benchmark's; by default nobody is. The file that is
    `judged` is no part of its own baseline.
    """
    return _read_entries(path, announce, join_baseline, judged)


def read_judged(path: Path, announce: Callable[[str], object] = str) -> dict[str, Entry]:
    """Read the like as a run that is judged: all that is there."""
    return _read_entries(path, announce, join_runs)


def _read_entries(
    path: Path,
    announce: Callable[[str], object],
    join: Callable[[Path, list[SavedTest]], Found],
    judged: Path | None = None,
) -> dict[str, Entry]:
    with refusing(path):
        is_folder = path.is_dir()
    if is_folder:
        saved = read_runs(file for file in list_runs(path) if not judged or not file.samefile(judged))
    else:
        content = read_json(path)
        if not is_benchmarks(content):
            return parse_run(path, content)
        saved = parse_benchmarks(path, content)
    found = join(path, saved)
    for note in found.notes:
        announce(note)
    return dict(found.entries)


def update_baseline(
    path: Path, entries: Mapping[str, Entry], patience_s: float = LOCK_PATIENCE_S, gone: Collection[str] = ()
) -> None:
    """Put the entries in the place of those of the same tests; other tests keep theirs, but for those that are gone.

    Two updates at once follow each other; one that waits longer than `patience_s` is an InputError. So is a file that
    is not a whole baseline of this version, and a folder or disk that refuses: the old file stays as it was.
    """
    path = Path(os.path.realpath(path))  # a link keeps pointing at the baseline
    with _locked(path, patience_s):
        old = read_run(path) if path.exists() else {}
        kept = {test: entry for test, entry in old.items() if test not in gone}
        write_run(path, {**kept, **entries})


@contextmanager
def _locked(path: Path, patience_s: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    # The lock's file stays behind: to remove it would let a third process lock another one of the same name.
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=patience_s)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{path} is being updated by another run: wait for it, or pass --gate-baseline.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): pass a --gate-baseline that can.") from error
    try:
        yield
    finally:
        lock.release()
