"""Confidence in a share of right answers."""

from __future__ import annotations

from resnet_fixtures.stats.summary import Interval


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> Interval:
    """Bound an accuracy by Wilson's score interval, which stays honest near 0 and 1 and for few images.

    No images at all, or more right answers than images, is a ValueError.
    """
    from scipy.stats import binomtest

    interval = binomtest(correct, total).proportion_ci(confidence, method="wilson")
    return Interval(float(interval.low), float(interval.high), confidence)
