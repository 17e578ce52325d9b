"""How much the values of two groups of processes differ, by their ranks, or those of pairs, by Student's t.

The values are logarithms of times, so that a difference of them is a ratio: 0.05 is 5 % slower, nearly.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean, median, variance
from typing import TYPE_CHECKING

from resnet_fixtures.stats.summary import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

UPPER_CONFIDENCE = 0.95
MIN_SPREAD = 1e-9  # no clock tells times so near to each other: less is rounding, or one value written many times
SHIFTS_AT_ONCE = 32
EXACT_PAIRS = 80 * 80  # as many as the gate itself ever draws; stored runs of a year can be more


@dataclass(frozen=True)
class Change:
    """The run's level less the baseline's, in logarithms: above 0 is slower.

    `interval` is two-sided; `upper95` is the one-sided 95 % upper bound; `spread` is how much one process (one pair)
    scatters, as a standard deviation. All are None where the values are too few, or do not vary at all.
    """

    estimate: float
    interval: Interval | None = None
    upper95: float | None = None
    spread: float | None = None


def compare_groups(baseline: Sequence[float], run: Sequence[float], confidence: float) -> Change:
    """Compare two groups of independent values by their ranks: Hodges and Lehmann's shift, bounded by Mann and Whitney.

    The interval is exact for groups of one shape, whatever it is: one process in ten that the machine treats badly
    neither moves the estimate nor widens the interval as it does with means. Where a side scatters more than the other,
    it is widened to Brunner and Munzel's, who allow for that. Where the counts are too few for the
    confidence (5 and 5 have none above 99.2 %), the means are compared by Welch's t, and where one side is a single
    value, with the other side's scatter (Student's t); of two single values there is no interval. `spread` is
    `measure_spread`'s. An empty side is a ValueError.
    """
    spread = measure_spread(baseline, run)
    if spread is None:
        return Change(fmean(run) - fmean(baseline))
    if _count_cut(len(baseline), len(run), (1 - confidence) / 2) == 0:
        return _compare_means(baseline, run, spread, confidence)
    return _compare_ranks(baseline, run, spread, confidence)


def measure_spread(baseline: Sequence[float], run: Sequence[float]) -> float | None:
    """Return how much the values of two groups scatter: None of two single values, and of values that do not vary.

    It is the median absolute deviation from the group's own median, scaled to a normal's standard deviation. An empty
    side is a ValueError.
    """
    if not baseline or not run:
        raise ValueError("a change takes one value or more on each side")
    if len(baseline) == len(run) == 1 or _deviation(baseline, run) < MIN_SPREAD:
        return None
    medians = [median(group) for group in (baseline, run)]
    distances = [abs(value - middle) for middle, group in zip(medians, (baseline, run), strict=True) for value in group]
    return median(distances) / NormalDist().inv_cdf(0.75)


def compare_crossover(first: Sequence[float], second: Sequence[float], confidence: float) -> Change:
    """Compare by the differences of independent pairs, the run's value less the baseline's, in two orders.

    In the pairs of `first` the baseline was before the run, in those of `second` behind it. What an order adds to one
    side is in both means with opposite signs, and their middle is without it: the analysis of an AB/BA crossover (Hills
    and Armitage 1979; Senn, Cross-over Trials in Clinical Research, 3.6), with Student's t and the pooled scatter.
    Of one order alone, and of fewer than three pairs, there is no interval; none at all is a ValueError.
    """
    if not first and not second:
        raise ValueError("a change takes one pair or more")
    estimate = fmean(fmean(order) for order in (first, second) if order)
    freedom = len(first) + len(second) - 2
    if not (first and second and freedom):
        return Change(estimate)
    spread = _deviation(first, second)
    if spread < MIN_SPREAD:
        return Change(estimate)
    error = spread / 2 * math.sqrt(1 / len(first) + 1 / len(second))
    return _bound(estimate, error, freedom, spread, confidence)


def _compare_ranks(baseline: Sequence[float], run: Sequence[float], spread: float, confidence: float) -> Change:
    """Order the differences of all pairs: the middle one is the estimate, and those near the ends are the bounds."""
    differences = [here - there for here in run for there in baseline]
    tail = (1 - confidence) / 2
    interval = Interval(_bound_ranks(baseline, run, tail), -_bound_ranks(run, baseline, tail), confidence)
    return Change(median(differences), interval, -_bound_ranks(run, baseline, 1 - UPPER_CONFIDENCE), spread)


def _bound_ranks(baseline: Sequence[float], run: Sequence[float], tail: float) -> float:
    """Return the lower bound of the shift: the first difference of a pair below which no shift is likely enough."""
    import numpy as np

    differences = np.sort(np.subtract.outer(run, baseline), axis=None)
    cut = _count_cut(len(baseline), len(run), tail)
    middles = (differences[: cut - 1] + differences[1:cut]) / 2
    first, end = 0, len(middles)
    while first < end:  # a bisection with many probes in a call, because a call of SciPy's costs as much as they do
        probes = np.unique(np.linspace(first, end - 1, SHIFTS_AT_ONCE).astype(int))
        likely = np.flatnonzero(_studentized_tails(baseline, run, middles[probes]) > tail)
        found = likely[0] if len(likely) else len(probes)
        first, end = (probes[found - 1] + 1 if found else first), (probes[found] if len(likely) else end)
    return float(differences[first])


def _studentized_tails(
    baseline: Sequence[float], run: Sequence[float], shifts: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return how often the run would be so much above a baseline with each of the shifts, by Brunner and Munzel."""
    import numpy as np
    from scipy.stats import brunnermunzel

    shifted = np.subtract.outer(run, shifts).T
    apart = shifted.min(axis=1) > max(baseline)  # all of it above all: their statistic has no end
    tails = np.zeros(len(shifts))
    if not apart.all():
        tails[~apart] = brunnermunzel([baseline], shifted[~apart], alternative="less", axis=1).pvalue
    return tails


@lru_cache(maxsize=1024)
def _count_cut(baseline: int, run: int, tail: float) -> int:
    """Count the differences, from an end, that a bound may leave out or be: 0 where no bound has so small a tail.

    It is the largest at which Mann and Whitney's U is below the count no more often than `tail`.
    """
    cuts = range(1, baseline * run // 2 + 1)
    return bisect.bisect_right(cuts, tail, key=lambda cut: _probability_up_to(cut - 1, baseline, run))


def _probability_up_to(u: int, baseline: int, run: int) -> float:
    """Return how often U is so small by chance, from SciPy's exact distribution: of any values that have this U.

    Of more than EXACT_PAIRS pairs it is the normal one's, which is as good there and takes no minutes.
    """
    from scipy.stats import mannwhitneyu

    values = [min(max(u - index * baseline, 0), baseline) - 0.5 for index in range(run)]
    method = "exact" if baseline * run <= EXACT_PAIRS else "asymptotic"
    return float(mannwhitneyu(values, range(baseline), alternative="less", method=method).pvalue)


def _compare_means(baseline: Sequence[float], run: Sequence[float], spread: float, confidence: float) -> Change:
    estimate, freedom = fmean(run) - fmean(baseline), len(baseline) + len(run) - 2
    if min(len(baseline), len(run)) == 1:
        error = _deviation(baseline, run) * math.sqrt(1 / len(baseline) + 1 / len(run))
        return _bound(estimate, error, freedom, spread, confidence)
    parts = [variance(values) / len(values) for values in (baseline, run)]
    error = math.sqrt(sum(parts))
    # Welch and Satterthwaite's
    shares = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (baseline, run), strict=True))
    return _bound(estimate, error, error**4 / shares if shares else freedom, spread, confidence)


def _deviation(*groups: Sequence[float]) -> float:
    """Return the pooled standard deviation of groups around their own means."""
    squares = sum(variance(values) * (len(values) - 1) for values in groups if len(values) > 1)
    return math.sqrt(squares / sum(len(values) - 1 for values in groups))


def _bound(estimate: float, error: float, freedom: float, spread: float, confidence: float) -> Change:
    """Bound an estimate by its standard error."""
    half_width = _quantile((1 + confidence) / 2, freedom) * error
    return Change(
        estimate,
        Interval(estimate - half_width, estimate + half_width, confidence),
        estimate + _quantile(UPPER_CONFIDENCE, freedom) * error,
        spread,
    )


def _quantile(probability: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))
