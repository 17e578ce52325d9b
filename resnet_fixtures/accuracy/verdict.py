"""Judge an accuracy against what is expected of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from resnet_fixtures.accuracy.published import DEFAULT_TOLERANCE, IMAGENET_VALIDATION_IMAGES, PUBLISHED
from resnet_fixtures.stats.proportion import wilson_interval

if TYPE_CHECKING:
    from resnet_fixtures.accuracy.predictions import Predictions
    from resnet_fixtures.precision import Precision


@dataclass(frozen=True)
class AccuracyVerdict:
    """Tell whether an accuracy holds, and why, in a sentence with the exact counts."""

    passed: bool
    sentence: str


def judge(
    predictions: Predictions,
    precision: Precision,
    tolerance: float = DEFAULT_TOLERANCE,
    images_in_full_set: int = IMAGENET_VALIDATION_IMAGES,
) -> AccuracyVerdict:
    """Compare top-1 and top-5 with the published ones, less the tolerance (a share of the images, 0..1).

    On the full set the counts decide. A part of it fails only where Wilson's 95 % interval lies below. No images at
    all are a ValueError.
    """
    published, images = PUBLISHED[precision], predictions.images
    is_full = images >= images_in_full_set
    assess = compare_counts if is_full else compare_interval
    judged = (
        assess("top-1", predictions.correct1, images, published.top1, tolerance),
        assess("top-5", predictions.correct5, images, published.top5, tolerance),
    )
    extent = f"all {images:,} images" if is_full else f"{images:,} of {images_in_full_set:,} images"
    reasons = ", ".join(verdict.sentence for verdict in judged)
    return AccuracyVerdict(all(verdict.passed for verdict in judged), f"{precision} on {extent}: {reasons}.")


def judge_against(predictions: Predictions, top1_threshold: float) -> AccuracyVerdict:
    """Compare top-1 by its count with a threshold of our own (0..1), for a set that is always read as a whole."""
    verdict = compare_counts("top-1", predictions.correct1, predictions.images, top1_threshold)
    return AccuracyVerdict(verdict.passed, f"{predictions.images:,} images: {verdict.sentence}.")


def compare_counts(name: str, correct: int, images: int, expected: float, tolerance: float = 0.0) -> AccuracyVerdict:
    """Ask for as many hits as the expected share less the tolerance comes to, counted exactly."""
    _refuse_nothing(images)
    needed = math.ceil(compute_floor(expected, tolerance) * images)
    passed = correct >= needed
    return AccuracyVerdict(
        passed,
        f"{name} {correct / images:.4f} ({correct:,} right) {'reaches' if passed else 'misses'} "
        f"{_format_floor(expected, tolerance)} ({needed:,})",
    )


def compare_interval(name: str, correct: int, images: int, expected: float, tolerance: float = 0.0) -> AccuracyVerdict:
    """Ask that the expected share less the tolerance is not above all that the images speak for."""
    _refuse_nothing(images)
    interval = wilson_interval(correct, images)
    passed = interval.high >= compute_floor(expected, tolerance)
    return AccuracyVerdict(
        passed,
        f"{name} {correct / images:.4f} ({correct:,} right, {interval.low:.4f} to {interval.high:.4f} at 95 %) "
        f"{'may be' if passed else 'is below'} {_format_floor(expected, tolerance)}",
    )


def compute_floor(expected: float, tolerance: float) -> Fraction:
    """Subtract in decimal digits as they are written: 0.7623 less 0.0005 of 50,000 is 38,090, no rounding above it."""
    return Fraction(str(expected)) - Fraction(str(tolerance))


def _format_floor(expected: float, tolerance: float) -> str:
    return f"{expected:.4f} less {tolerance:g}" if tolerance else f"{expected:.4f}"


def _refuse_nothing(images: int) -> None:
    if images <= 0:
        raise ValueError("an accuracy of no images cannot be judged")
