"""Read the runs that pytest-benchmark has saved: a file of one run, or its storage folder with many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.benchmark_file import SavedTest, parse_benchmarks
from resnet_fixtures.gate.compatibility import describe_changes, find_difference
from resnet_fixtures.gate.json_file import list_json, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from resnet_fixtures.gate.samples import Entry

RUNS = "[0-9][0-9][0-9][0-9]*_*.json"  # as pytest-benchmark numbers them; the baseline beside them is none


@dataclass(frozen=True)
class Found:
    """The entries by test id, and a sentence on each thing that was left out or is less than it could be."""

    entries: Mapping[str, Entry]
    notes: tuple[str, ...] = ()


def list_runs(folder: Path) -> list[Path]:
    """Return the runs of a storage folder, or of one machine's folder in it."""
    return list_json(folder, RUNS)


def read_runs(files: Iterable[Path]) -> list[SavedTest]:
    """Read this suite's tests from files of saved runs, one after the other; InputError for one that is damaged."""
    return [one for file in files for one in parse_benchmarks(file, read_json(file))]


def join_baseline(path: Path, saved: Sequence[SavedTest]) -> Found:
    """Put together what a run is judged by: without runs that the gate did not call green, which is said.

    A run that regressed would be the newest, and so the baseline of the next night.
    """
    green = [one for one in saved if one.is_green]
    if saved and not green:
        raise InputError(f"{path} has no timing that the gate called green: pass a file that --gate-update wrote.")
    found = join_runs(path, green)
    if len(green) == len(saved):
        return found
    note = f"{len(saved) - len(green)} of {len(saved)} saved timings were not green under the gate and are left out."
    return replace(found, notes=(note, *found.notes))


def join_runs(path: Path, saved: Iterable[SavedTest]) -> Found:
    """Put the runs of each test together, the oldest first; `path` is for the InputError where there are none.

    Each run is one process' sample, but for those under the gate, which had several. A test's facts are its newest
    run's; runs by other means are left out.
    """
    by_test: dict[str, list[SavedTest]] = {}
    for one in sorted(saved, key=attrgetter("saved")):
        by_test.setdefault(one.entry.test, []).append(one)
    if not by_test:
        raise InputError(
            f"{path} has no timing of this suite: run it with --benchmark-autosave --benchmark-save-data, "
            "or pass a file that --gate-update wrote."
        )
    kept = {test: [one for one in runs if not differences(one, runs[-1])] for test, runs in by_test.items()}
    entries = {
        test: replace(runs[-1].entry, samples=tuple(chain.from_iterable(one.entry.samples for one in runs)))
        for test, runs in kept.items()
    }
    left_out = [note for test, runs in by_test.items() for note in note_left_out(test, runs)]
    return Found(entries, (*left_out, *note_medians([one for runs in kept.values() for one in runs])))


def differences(one: SavedTest, newest: SavedTest) -> tuple[str, ...]:
    """Name what sets a run apart from the newest: what forbids to compare them, or else what would be judged."""
    if one is newest:
        return ()
    forbidden = find_difference(newest.entry, one.entry)
    return (forbidden.name,) if forbidden else describe_changes(one.entry.facts, newest.entry.facts)


def note_left_out(test: str, runs: Sequence[SavedTest]) -> list[str]:
    """Say how many runs of a test are not the newest's like, and in what they differ."""
    found = [names for one in runs if (names := differences(one, runs[-1]))]
    if not found:
        return []
    every = ", ".join(sorted({name for names in found for name in names}))
    return [f"{test}: {len(found)} of {len(runs)} saved runs differ from the newest ({every}) and are left out."]


def note_medians(saved: Sequence[SavedTest]) -> list[str]:
    """Say how many timings come without their rounds."""
    missing = sum(not one.is_raw for one in saved)
    if not missing:
        return []
    return [
        f"{missing} of {len(saved)} saved timings have no rounds, so their medians stand for them: "
        "save with --benchmark-save-data."
    ]
