"""Find where a trend went from one level to another and stayed there."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.report.extra import needs_report_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

MIN_RUNS = 3  # at a level: one or two odd nights are no change
MIN_CHANGE = 0.01  # relative: the gate's default tolerance
PENALTY = 6.0  # of a change, in noise variance times log(runs): docs/report.md says how often it is right
FEW_RUNS = 30  # below, the noise is known so badly that the penalty stays as for so many
SPIKE = 3.0  # what lies further from its neighbours, in standard deviations, is moved to there
SMALLEST_NOISE = 1e-4  # relative: a clock's resolution, so that a trend without noise has levels too


@dataclass(frozen=True)
class Level:
    """Runs `start` to `stop - 1` of a trend, and their median."""

    start: int
    stop: int
    value: float


def find_levels(values: Sequence[float]) -> list[Level]:
    """Split positive values, oldest first, into stretches of one level each; one stretch where nothing changed.

    The changes are the exact optimum of the penalised squared error of the logarithms (ruptures' KernelCPD). The noise
    is the median absolute difference of neighbours, which steps do not swell; spikes are clipped first. Neighbouring
    levels less than 1 % apart are one. No values have no level.
    """
    starts = _find_starts(np.log(np.asarray(values, dtype=np.float64))) if len(values) >= 2 * MIN_RUNS else []
    levels = _cut(values, starts)
    while (smallest := _smallest_step(levels)) is not None:
        starts.pop(smallest)
        levels = _cut(values, starts)
    return levels


def _find_starts(logs: npt.NDArray[np.float64]) -> list[int]:
    with needs_report_extra():
        from ruptures import KernelCPD

    noise = max(float(np.median(np.abs(np.diff(logs)))) * 1.4826 / np.sqrt(2), SMALLEST_NOISE)
    signal = _clip_spikes(logs, SPIKE * noise)[:, np.newaxis]
    penalty = PENALTY * noise**2 * np.log(max(len(logs), FEW_RUNS))
    found = KernelCPD(kernel="linear", min_size=MIN_RUNS).fit_predict(signal, pen=penalty)
    return [int(start) for start in found[:-1]]


def _clip_spikes(logs: npt.NDArray[np.float64], reach: float) -> npt.NDArray[np.float64]:
    """Move each value to at most `reach` from the median of itself and its two neighbours on each side."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(logs, 2, mode="reflect"), 5)
    middle = np.median(windows, axis=1)
    return np.clip(logs, middle - reach, middle + reach)


def _cut(values: Sequence[float], starts: Sequence[int]) -> list[Level]:
    edges = [0, *starts, len(values)]
    return [
        Level(start, stop, statistics.median(values[start:stop]))
        for start, stop in itertools.pairwise(edges)
        if stop > start
    ]


def _smallest_step(levels: Sequence[Level]) -> int | None:
    """Return the number of the change that is least and too small to be shown; None where all are large enough."""
    steps = [abs(after.value / before.value - 1) for before, after in itertools.pairwise(levels)]
    return steps.index(min(steps)) if steps and min(steps) < MIN_CHANGE else None
