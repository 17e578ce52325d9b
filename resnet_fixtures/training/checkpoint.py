"""Checkpoints: all that a training needs to go on bit for bit, in a folder with one writer.

The folder has `step-0000001234.safetensors`, the newest, and `best.safetensors`, that of the highest top-1. Each
appears whole or not at all, so that a run which was killed at any moment leaves the last complete one.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import InputError
from resnet_fixtures.mlperf.entry import check_entry
from resnet_fixtures.paths import exists
from resnet_fixtures.training.data_digests import DataDigests
from resnet_fixtures.training.events import Evaluated
from resnet_fixtures.training.recipe import Recipe
from resnet_fixtures.training.tensor_file import Tensors, pack_tensor_file, read_fields, read_tensor_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from resnet_fixtures.mlperf.entry import Entry

BEST_NAME = "best.safetensors"
STEP_NAME = re.compile(r"step-(\d{10,})\.safetensors")
LEFTOVERS = (".step-*.safetensors.*", f".{BEST_NAME}.*")  # the names that `write_atomically` writes to first
PATIENCE_S = 5.0  # for the lock: a killed run's ranks may outlive it by a moment
WEIGHT_PREFIX = "weights/"
LARGEST = 2**63  # of steps, counts and seconds
MAX_ARCHITECTURE = 1 << 16  # of channels, classes or pixels: beyond that a file only pretends


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training after `step` steps.

    `tensors` are TrainingStep's, float32. `data` is what was seen; `seconds` counts those of all runs so far; `log` has
    the entries of MLPerf's log.
    """

    tensors: Tensors
    step: int
    recipe: Recipe
    data: DataDigests
    evaluations: tuple[Evaluated, ...] = ()
    seconds: float = 0.0
    log: tuple[Entry, ...] = ()

    @property
    def weights(self) -> Tensors:
        """Return the model's weights and moving statistics by the names of `graph.weights`."""
        return {
            name.removeprefix(WEIGHT_PREFIX): array
            for name, array in self.tensors.items()
            if name.startswith(WEIGHT_PREFIX)
        }

    @property
    def evaluation(self) -> Evaluated | None:
        """Return the evaluation of these weights, if there was one."""
        return next((one for one in reversed(self.evaluations) if one.step == self.step), None)


class CheckpointFolder:
    """Holds a folder's lock while it is entered: one run writes, another there waits some seconds and is refused.

    The lock is the system's, so that it ends with the process that holds it, however that ends.
    """

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        from filelock import FileLock

        self._path = path
        self._lock = FileLock(path / ".lock", timeout=patience_s)

    def __enter__(self) -> CheckpointFolder:
        """Take the lock and remove what killed writers left; InputError for a folder in use, or that refuses."""
        from filelock import Timeout

        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            for pattern in LEFTOVERS:
                _remove(self._path.glob(pattern))
        except Timeout:
            raise InputError(
                f"{self._path} is in use by another training: wait for it, or pass another --checkpoint."
            ) from None
        except OSError as error:
            self._lock.release()
            reason = f"{self._path} cannot be used ({error.strerror or error})"
            raise InputError(f"{reason}: pass a --checkpoint folder that you may write to.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self._lock.release()

    def load(self, recipe: Recipe, data: DataDigests) -> Checkpoint | None:
        """Return the newest checkpoint, None where there is none.

        A file that cannot be used is an InputError, and so is one of another recipe or of other data.
        """
        path = _find_newest(self._path)
        if path is None:
            return None
        checkpoint = _read(path)
        _check_owner(path, checkpoint, recipe, data)
        return checkpoint

    def save(self, checkpoint: Checkpoint, is_best: bool) -> Path:
        """Write the newest, and the best if it is, then remove older ones; InputError where the disk refuses.

        The best comes first: a run that is killed between the two goes on from it.
        """
        content = pack_tensor_file(checkpoint.tensors, _describe(checkpoint))
        path = self._path / f"step-{checkpoint.step:010}.safetensors"
        for target in (self._path / BEST_NAME, path) if is_best else (path,):
            write_atomically(target, content)
        _remove(file for step, file in _list_steps(self._path) if step < checkpoint.step)
        return path


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint's file, or of a folder the best, else the newest; takes no lock."""
    return _read(find_checkpoint(path))


def find_checkpoint(path: Path) -> Path:
    """Return the file that `read_checkpoint` reads; InputError where there is none."""
    if not exists(path):
        raise InputError(f"--checkpoint {path} does not exist: pass the folder of a training.")
    if not path.is_dir():
        return path
    best = path / BEST_NAME
    found = best if best.exists() else _find_newest(path)
    if found is None:
        raise InputError(f"--checkpoint {path} has no checkpoint in it: pass the folder of a training.")
    return found


def _find_newest(folder: Path) -> Path | None:
    """Return the file of the highest step; the best only where it is ahead of all others, or alone."""
    step, path = max(_list_steps(folder), default=(-1, None))
    best = folder / BEST_NAME
    if best.exists() and _parse(best, {}, read_fields(best)).step > step:
        return best
    return path


def _list_steps(folder: Path) -> list[tuple[int, Path]]:
    try:
        matches = [(STEP_NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    except OSError as error:
        raise InputError(
            f"{folder} cannot be read ({error.strerror}): pass a --checkpoint folder that you may read."
        ) from error
    return [(int(match[1]), path) for match, path in matches if match]


def _remove(files: Iterable[Path]) -> None:
    for file in list(files):
        with suppress(OSError):  # a file too many harms nobody
            file.unlink()


def _check_owner(path: Path, checkpoint: Checkpoint, recipe: Recipe, data: DataDigests) -> None:
    differences = recipe.differences(checkpoint.recipe) + data.differences(checkpoint.data)
    if differences:
        message = f"{path} belongs to another training ({', '.join(differences)})"
        raise InputError(f"{message}: pass what that one was given, or another --checkpoint.")
    if checkpoint.evaluations and not checkpoint.data.validation:
        message = f"{path} does not say which validation images it was scored on, as an earlier version saved it"
        raise InputError(f"{message}: pass another --checkpoint to train from the beginning.")


def _describe(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "step": checkpoint.step,
        "recipe": checkpoint.recipe.as_dict(),
        "data": checkpoint.data.train,
        "validation": checkpoint.data.validation,
        "evaluations": [asdict(one) for one in checkpoint.evaluations],
        "seconds": float(checkpoint.seconds),
        "log": list(checkpoint.log),
    }


def _read(path: Path) -> Checkpoint:
    return _parse(path, *read_tensor_file(path))


def _parse(path: Path, tensors: Tensors, fields: dict[str, Any]) -> Checkpoint:
    try:
        recipe = Recipe.from_dict(_take(fields, "recipe", dict))
        _check_architecture(recipe)
        evaluations = tuple(map(_parse_evaluation, _take(fields, "evaluations", list)))
        log = tuple(map(check_entry, _take(fields, "log", list)))
        step, data, seconds = _take(fields, "step", int), _parse_data(fields), _take(fields, "seconds", float)
        if not 0 <= step < LARGEST or not 0 <= seconds < LARGEST:
            raise ValueError("step or seconds are none of a training")
        return Checkpoint(tensors, step, recipe, data, evaluations, seconds, log)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        message = f"{path} is no checkpoint of this version ({type(error).__name__}: {error})"
        raise InputError(f"{message}: delete it, or pass another --checkpoint.") from error


def _take(fields: dict[str, Any], name: str, kind: type) -> Any:
    if type(fields[name]) is not kind:
        raise TypeError(f"{name} is no {kind.__name__}")
    return fields[name]


def _parse_data(fields: dict[str, Any]) -> DataDigests:
    """Take the digests; earlier versions saved that of the train split alone."""
    scored_on = fields.get("validation")
    return DataDigests(_take(fields, "data", str), None if scored_on is None else _take(fields, "validation", str))


def _parse_evaluation(fields: dict[str, Any]) -> Evaluated:
    if not all(type(value) in (int, float) and 0 <= value < LARGEST for value in fields.values()):
        raise ValueError("an evaluation of no counts")
    evaluated = Evaluated(**fields)
    if not 0 <= evaluated.correct1 <= evaluated.correct5 <= evaluated.images or evaluated.images < 1:
        raise ValueError("an evaluation of impossible counts")
    return evaluated


def _check_architecture(recipe: Recipe) -> None:
    for name, value in recipe.architecture.as_dict().items():
        if type(value) is not int or not 0 < value <= MAX_ARCHITECTURE:
            raise ValueError(f"{name} {value}")
