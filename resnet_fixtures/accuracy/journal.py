"""Keep what a run has scored so far, so that an interrupted one can be resumed.

The file has a line of JSON for the identity of the run, and one for each batch.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_fixtures.accuracy.predictions import Predictions, join_predictions
from resnet_fixtures.errors import InputError
from resnet_fixtures.versions import library_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import FileIO
    from pathlib import Path

    from resnet_fixtures.data.preprocess import Preprocessing
    from resnet_fixtures.data.split import Split
    from resnet_fixtures.graph.frozen import FrozenGraph


COLUMNS = ("actual", "prediction", "ranks")


class Journal:
    """Holds what an earlier run has `scored` and takes what this one scores; see `open_journal`."""

    def __init__(self, file: FileIO, scored: Predictions) -> None:
        self.scored = scored
        self._file = file

    def append(self, batch: Predictions) -> None:
        """Write a batch as one line, unbuffered, so that it outlives this process."""
        columns = {name: getattr(batch, name).tolist() for name in COLUMNS}
        write_line(self._file, {"filenames": batch.filenames, **columns})


def identify_run(
    graph: FrozenGraph, split: Split, preprocessing: Preprocessing, machine: Mapping[str, object]
) -> dict[str, object]:
    """Name all that the answers depend on: a run may only go on where another with the same identity stopped.

    `machine` is what decides about kernels there, see `inference.kernels.machine_key`.
    """
    return {
        "graph": graph.sha256,
        "precision": graph.precision,
        "classes": graph.classes,
        "data": split.revision(),
        "preprocessing": asdict(preprocessing),
        "versions": library_versions(("tensorflow",)),
        "machine": machine,
    }


@contextmanager
def open_journal(path: Path, identity: Mapping[str, object], *, resume: bool) -> Iterator[Journal]:
    """Hold the journal at `path` until the run ends: left by an exception it stays, left normally it is removed.

    `resume` takes up the batches of an interrupted run, if there are any, and is an InputError where they belong to
    another identity; without it they are thrown away. So is a journal that another process holds, or a folder that
    cannot be written, an InputError.
    """
    identity = json.loads(json.dumps(identity))
    with _locked(path), _open(path) as file:
        parts = read_journal(file, identity) if resume else []
        if not parts:
            file.truncate(0)
            write_line(file, identity)
        yield Journal(file, join_predictions(parts))
        path.unlink(missing_ok=True)


def read_journal(file: FileIO, identity: Mapping[str, object]) -> list[Predictions]:
    """Read the whole lines, and cut off what follows them: the torn last line of a killed process.

    A file that starts with anything but this identity is an InputError.
    """
    file.seek(0)
    lines = file.readall().splitlines(keepends=True)
    if not lines or not lines[0].endswith(b"\n"):
        return []
    _check_identity(str(file.name), parse_line(lines[0]), identity)
    parts, end = list[Predictions](), len(lines[0])
    for line in lines[1:]:
        batch = parse_batch(line)
        if batch is None:
            break
        parts.append(batch)
        end += len(line)
    file.truncate(end)
    return parts


def write_line(file: FileIO, fields: Mapping[str, object]) -> None:
    """Append one line; a full disk is an InputError."""
    try:
        file.write(json.dumps(fields).encode() + b"\n")
    except OSError as error:
        raise InputError(
            f"{file.name} cannot be written ({error.strerror}): make room and go on with --resume."
        ) from error


def parse_line(line: bytes) -> dict[str, Any]:
    """Parse a whole line to its fields; anything else has none."""
    try:
        fields = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def parse_batch(line: bytes) -> Predictions | None:
    """Parse a batch, None for a line that is torn or garbled."""
    try:
        fields = parse_line(line)
        if any(type(value) is not int for name in COLUMNS for value in fields[name]):
            return None
        return Predictions(tuple(fields["filenames"]), *(np.array(fields[name], np.int64) for name in COLUMNS))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _check_identity(name: str, found: Mapping[str, object], identity: Mapping[str, object]) -> None:
    different = ", ".join(key for key in identity if found.get(key) != identity[key])
    if different:
        raise InputError(
            f"{name} is from another run (it differs in {different}): leave --resume out to start anew, "
            "or resume with what that run was given."
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    # The lock's file stays behind: to remove it would let a third process lock another one of the same name.
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        cure = "wait for it, pass another --output-dir, or one --batch-size"
        raise InputError(f"{path} is in use by another run or worker: {cure}.") from None
    except OSError as error:
        raise InputError(_refuse(path, error)) from error
    try:
        yield
    finally:
        lock.release()


def _open(path: Path) -> FileIO:
    try:
        return path.open("a+b", buffering=0)
    except OSError as error:
        raise InputError(_refuse(path, error)) from error


def _refuse(path: Path, error: OSError) -> str:
    return f"{path} cannot be written ({error.strerror}): pass an --output-dir that you may write to."
