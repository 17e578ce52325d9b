"""The time to train as MLPerf scores it (training_rules.adoc 0.7, Benchmark Results)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from resnet_fixtures.mlperf.entry import SUCCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet_fixtures.mlperf.entry import Entry

RUNS = 5  # of image classification
ALLOWED_FAILURES = 1


@dataclass(frozen=True)
class TimedRun:
    """What counts of a run: its seconds on the clock, and whether it reached the target."""

    seconds: float
    has_reached: bool


@dataclass(frozen=True)
class Score:
    """The time to train in seconds, None where the runs give none; `reason` is a sentence that says how or why."""

    seconds: float | None
    reason: str


def time_run(entries: Sequence[Entry]) -> TimedRun:
    """Read a run's time out of its log: the wall clock from start to stop, pauses between resumed runs included.

    A run that never stopped has not reached its target; one that never started is a ValueError.
    """
    times_ms = {entry["key"]: entry["time_ms"] for entry in entries}
    if "run_start" not in times_ms:
        raise ValueError("the log has no run_start")
    stop = next((entry for entry in entries if entry["key"] == "run_stop"), None)
    seconds = ((stop or entries[-1])["time_ms"] - times_ms["run_start"]) / 1000
    return TimedRun(seconds, stop is not None and stop["metadata"]["status"] == SUCCESS)


def score_runs(runs: Sequence[TimedRun]) -> Score:
    """Drop the best and the worst run and average the rest; a run that missed the target is the worst.

    One run scores its own time. None at all is a ValueError.
    """
    if not runs:
        raise ValueError("a score needs a run")
    times_s = sorted(run.seconds for run in runs if run.has_reached)
    missed = len(runs) - len(times_s)
    if len(runs) < RUNS:
        return _score_few(len(runs), times_s)
    if missed > ALLOWED_FAILURES:
        return Score(None, f"{missed} of {len(runs)} runs did not reach the target, and MLPerf forgives one.")
    kept_s = times_s[1:] if missed else times_s[1:-1]
    worst = "the one that did not reach the target" if missed else "the slowest"
    return Score(fmean(kept_s), f"The mean of {len(kept_s)} runs of {len(runs)}, without the fastest and {worst}.")


def _score_few(runs: int, times_s: list[float]) -> Score:
    if runs > 1:
        return Score(None, f"MLPerf scores {RUNS} runs, not {runs}.")
    if not times_s:
        return Score(None, "The run did not reach the target.")
    return Score(times_s[0], f"The time of one run; MLPerf scores {RUNS}.")
