"""How far one value follows another from process to process: Theil and Sen's slope, held to what is expected of it.

A value that follows a second one, a covariate, is compared between groups as if the second were equal in both:
analysis of covariance (Cochran, Analysis of Covariance: Its Nature and Uses, 1957), with a slope that is robust.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist, median
from typing import TYPE_CHECKING

from resnet_fixtures.stats.ratio import MIN_SPREAD, UPPER_CONFIDENCE, Change, measure_spread
from resnet_fixtures.stats.summary import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    Groups = tuple[Sequence[float], Sequence[float]]  # the baseline's values and the run's

SLOPE_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Slope:
    """By how much a value changes for one unit of its covariate, and the standard error of that."""

    estimate: float
    error: float


def fit_slope(values: Groups, covariates: Groups, expected: Slope, covariate_error: float) -> Slope:
    """Fit the slope that both groups have in common, each around its own medians, and weigh it with what is expected.

    Both weigh by their squared errors. `covariate_error` is the standard error of a single covariate: where they
    scatter by little more, the slope that is seen is flatter than it is (Fuller, Measurement Error Models, 1.1), and
    weighs less.
    """
    scatter = measure_spread(*covariates)
    if scatter is None or scatter < MIN_SPREAD:
        return expected
    seen = _fit_theil_sen(_centre(values), _centre(covariates))
    seen_error = math.hypot(seen.error, (covariate_error / scatter) ** 2)
    weight = expected.error**2 / (expected.error**2 + seen_error**2)
    return Slope(expected.estimate + weight * (seen.estimate - expected.estimate), math.sqrt(weight) * seen_error)


def remove_slope(values: Groups, covariates: Groups, slope: Slope) -> Groups:
    """Return the values as they were if all covariates were 0, for comparisons with each other."""
    baseline, run = (
        [value - slope.estimate * covariate for value, covariate in zip(*group, strict=True)]
        for group in zip(values, covariates, strict=True)
    )
    return baseline, run


def widen(change: Change, error: float) -> Change:
    """Allow for one more error of the estimate, a standard error: bounds move out by the root of the sum of squares."""
    if change.interval is None or change.upper95 is None:
        return change

    def move(bound: float, confidence: float) -> float:
        distance = math.hypot(bound - change.estimate, NormalDist().inv_cdf(confidence) * error)
        return change.estimate + math.copysign(distance, bound - change.estimate)

    bounds, tail = change.interval, (1 + change.interval.confidence) / 2
    interval = Interval(move(bounds.low, tail), move(bounds.high, tail), bounds.confidence)
    return replace(change, interval=interval, upper95=move(change.upper95, UPPER_CONFIDENCE))


def _centre(groups: Groups) -> list[float]:
    return [value - median(group) for group in groups for value in group]


def _fit_theil_sen(values: Sequence[float], covariates: Sequence[float]) -> Slope:
    from scipy.stats import theilslopes

    slope, _, low, high = theilslopes(values, covariates, SLOPE_CONFIDENCE)
    return Slope(float(slope), float(high - low) / (2 * NormalDist().inv_cdf((1 + SLOPE_CONFIDENCE) / 2)))
