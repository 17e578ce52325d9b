"""Median, mean and percentiles of step times, each with what the sample can carry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval; `confidence` is its level, between 0 and 1."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class LatencySummary:
    """What a sample of step times says, in seconds.

    None stands for a statistic that the sample is too small to carry. `p90_upper_s` and `p99_upper_s` are one-sided
    upper confidence bounds of the percentiles.
    """

    steps: int
    median_s: float
    median_interval_s: Interval | None
    mean_s: float
    p90_s: float | None
    p90_upper_s: float | None
    p99_s: float | None
    p99_upper_s: float | None


def summarise_latency(steps_s: Sequence[float], confidence: float = 0.95) -> LatencySummary:
    """Summarise step times in seconds; every bound is one of the sample's own values.

    The bounds are order statistics, so they suppose no distribution. At 95 % the median's interval takes 6 steps,
    p90 takes 29 and p99 takes 299. An empty sample, or one with a value that is not finite, is a ValueError.
    """
    times_s = np.sort(np.asarray(steps_s, dtype=np.float64))
    if times_s.size == 0 or not np.isfinite(times_s).all():
        raise ValueError(f"a latency summary needs one step or more and finite times, not {times_s}")
    p90_s, p90_upper_s = bound_percentile(times_s, 0.90, confidence)
    p99_s, p99_upper_s = bound_percentile(times_s, 0.99, confidence)
    return LatencySummary(
        steps=times_s.size,
        median_s=float(np.median(times_s)),
        median_interval_s=bound_median(times_s, confidence),
        mean_s=float(np.mean(times_s)),
        p90_s=p90_s,
        p90_upper_s=p90_upper_s,
        p99_s=p99_s,
        p99_upper_s=p99_upper_s,
    )


def bound_median(times_s: npt.NDArray[np.float64], confidence: float) -> Interval | None:
    """Bound the median by order statistics, or answer None where the sample is too small."""
    low, high = quantile_bounds(times_s, 0.5, "two-sided", confidence)
    return Interval(low, high, confidence) if math.isfinite(low) and math.isfinite(high) else None


def bound_percentile(
    times_s: npt.NDArray[np.float64], fraction: float, confidence: float
) -> tuple[float, float] | tuple[None, None]:
    """Estimate a percentile and its one-sided upper bound; both are None where no step is large enough to bound it."""
    _, upper = quantile_bounds(times_s, fraction, "less", confidence)
    return (float(np.quantile(times_s, fraction)), upper) if math.isfinite(upper) else (None, None)


def quantile_bounds(
    times_s: npt.NDArray[np.float64], fraction: float, side: Literal["two-sided", "less"], confidence: float
) -> tuple[float, float]:
    """Ask SciPy for the order statistics that bound a quantile; NaN or infinity where there is none."""
    from scipy.stats import quantile_test

    interval = quantile_test(times_s, p=fraction, alternative=side).confidence_interval(confidence)
    return float(interval.low), float(interval.high)


def images_per_s(batch_size: int, latency_s: float) -> float:
    """Convert the time of one step to throughput."""
    return batch_size / latency_s


def images_per_s_interval(batch_size: int, latency_s: Interval) -> Interval:
    """Convert an interval of step times to one of throughput: the slowest step gives the low end."""
    return Interval(
        images_per_s(batch_size, latency_s.high), images_per_s(batch_size, latency_s.low), latency_s.confidence
    )
