"""How much the values of two groups of processes differ, or those of pairs, by Student's t and Welch's.

The values are logarithms of times, so that a difference of them is a ratio: 0.05 is 5 % slower, nearly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, variance
from typing import TYPE_CHECKING

from resnet_fixtures.stats.summary import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

UPPER_CONFIDENCE = 0.95
MIN_SPREAD = 1e-9  # no clock tells times so near to each other: less is rounding, or one value written many times


@dataclass(frozen=True)
class Change:
    """The run's mean less the baseline's, in logarithms: above 0 is slower.

    `interval` is two-sided; `upper95` is the one-sided 95 % upper bound; `spread` is the standard deviation of one
    process (of one pair), pooled. All are None where the values are too few, or do not vary at all.
    """

    estimate: float
    interval: Interval | None = None
    upper95: float | None = None
    spread: float | None = None


def compare_groups(baseline: Sequence[float], run: Sequence[float], confidence: float) -> Change:
    """Compare the means of two groups of independent values by Welch's t.

    Where one side is a single value, its scatter is taken to be the other side's (Student's t); of two single values
    there is no interval. An empty side is a ValueError.
    """
    if not baseline or not run:
        raise ValueError("a change takes one value or more on each side")
    estimate, freedom = fmean(run) - fmean(baseline), len(baseline) + len(run) - 2
    if freedom == 0:
        return Change(estimate)
    squares = _sum_squares(baseline) + _sum_squares(run)
    spread = math.sqrt(squares / freedom)
    if min(len(baseline), len(run)) == 1:
        return _bound(estimate, spread * math.sqrt(1 / len(baseline) + 1 / len(run)), freedom, spread, confidence)
    parts = [variance(values) / len(values) for values in (baseline, run)]
    error = math.sqrt(sum(parts))
    # Welch and Satterthwaite's
    shares = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (baseline, run), strict=True))
    return _bound(estimate, error, error**4 / shares if shares else freedom, spread, confidence)


def compare_pairs(differences: Sequence[float], confidence: float) -> Change:
    """Compare by the differences of independent pairs, the run's value less the baseline's, with Student's t.

    Of one pair there is no interval; none at all is a ValueError.
    """
    if not differences:
        raise ValueError("a change takes one pair or more")
    if len(differences) == 1:
        return Change(differences[0])
    spread, freedom = math.sqrt(variance(differences)), len(differences) - 1
    return _bound(fmean(differences), spread / math.sqrt(len(differences)), freedom, spread, confidence)


def _sum_squares(values: Sequence[float]) -> float:
    return variance(values) * (len(values) - 1) if len(values) > 1 else 0.0


def _bound(estimate: float, error: float, freedom: float, spread: float, confidence: float) -> Change:
    """Bound an estimate by its standard error; values that do not vary bound nothing."""
    if spread < MIN_SPREAD:
        return Change(estimate)
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
