"""Find what is stored: in pytest-benchmark's storage, and in the folder of the logs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.json_file import list_json
from resnet_fixtures.paths import exists, is_file, is_folder
from resnet_fixtures.report.gate_runs import is_gate_run, read_gate_run
from resnet_fixtures.report.history import History
from resnet_fixtures.report.stored_json import CURE, read_object
from resnet_fixtures.report.stored_runs import is_saved_run, read_saved_run
from resnet_fixtures.report.stored_scores import (
    is_of_training,
    is_score,
    is_training,
    is_trial,
    read_score,
    read_training,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from resnet_fixtures.report.history import Result, Run, Score, Training


def read_history(storage: Path, results: Path) -> History:
    """Read all JSON files of both folders; InputError for one that is not this suite's, and where there is no result.

    `storage` has a folder for each machine, as pytest-benchmark makes them, or is one file. `results` may be missing.
    """
    if not exists(storage) and not is_folder(results):
        raise InputError(
            f"{storage} does not exist: run pytest with --benchmark-autosave first, or name the storage with --storage."
        )
    found = Findings()
    for path in sorted({*list_files(storage), *list_files(results)}):
        found.add(path)
    history = found.history()
    if not (history.runs or history.scores or history.trainings):
        raise InputError(
            f"{storage} and {results} have no result of this suite: run pytest with --benchmark-autosave first, "
            "or name other folders with --storage and --results."
        )
    return history


def list_files(place: Path) -> Iterable[Path]:
    """List the JSON files of a folder and of the folders in it; a file stands for itself, and nothing for no files."""
    if is_file(place):
        return [place]
    return list_json(place) if is_folder(place) else []


@dataclass
class Findings:
    """Collects what the files have."""

    runs: list[Run] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    gated_scores: list[Score] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    left_out: int = 0

    def add(self, path: Path) -> None:
        """Read one file; InputError for one of a form that nothing here writes."""
        stored = read_object(path)
        if is_saved_run(stored):
            run, left_out = read_saved_run(path, stored)
            self.runs.append(run)
            self.left_out += left_out
        elif is_gate_run(stored):
            run, scores = read_gate_run(path, stored)
            self.runs.append(run)
            self.gated_scores.extend(scores)
        elif is_training(stored):
            self.trainings.append(read_training(path, stored))
        elif is_score(stored):
            if not is_of_training(stored):
                self.scores.append(read_score(path, stored))
        elif not is_trial(stored):
            raise InputError(f"{path} is no result of pytest-benchmark or of this suite: {CURE}.")

    def history(self) -> History:
        """Put everything in the order of time, without runs that have nothing to show."""
        runs = (run for run in join_same(drop_copies(self.runs)) if run.results or run.judged)
        scores = join_scores(self.scores, self.gated_scores)
        trainings = sorted(self.trainings, key=lambda training: training.time)
        return History(tuple(sorted(runs, key=lambda run: run.time)), tuple(scores), tuple(trainings), self.left_out)


def join_scores(own: Sequence[Score], gated: Sequence[Score]) -> list[Score]:
    """Order scores by time; what the gate's file says again of a run that left a result of its own counts once."""
    free, kept = sorted(own, key=lambda score: score.time, reverse=True), list(own)
    for score in sorted(gated, key=lambda score: score.time):
        same = next((one for one in free if one.is_like(score) and one.time <= score.time), None)
        if same is None:
            kept.append(score)
        else:
            free.remove(same)
    return sorted(kept, key=lambda score: score.time)


def drop_copies(runs: Iterable[Run]) -> Sequence[Run]:
    """Keep one of the runs that two files have alike, as with --benchmark-autosave and --benchmark-json."""
    kept: list[Run] = []
    for run in runs:
        if not any(run.time == one.time and replace(run, source=one.source) == one for one in kept):
            kept.append(run)
    return kept


def join_same(runs: Sequence[Run]) -> Iterable[Run]:
    """Join what one run left in two places: the gate's file, and pytest-benchmark's, which knows machine and commit."""
    gated = {_identify(result) for run in runs if run.judged for result in run.results}
    saved = {_identify(result): run for run in runs if not _is_gates(run) for result in run.results}
    for run in runs:
        if run.judged:
            twin = next((saved[one] for one in map(_identify, run.results) if one in saved), run)
            yield replace(run, node=twin.node, commit=twin.commit)
        elif _is_gates(run):
            yield run
        else:
            yield replace(run, results=tuple(result for result in run.results if _identify(result) not in gated))


def _is_gates(run: Run) -> bool:
    return run.is_baseline or bool(run.judged)


def _identify(result: Result) -> tuple[object, ...]:
    """Return what no two measurements share: the medians of the processes; other results are not to be told apart."""
    return (result.test, result.medians_s) if result.medians_s else (id(result),)
