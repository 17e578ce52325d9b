from __future__ import annotations

import numpy as np
import pytest

from resnet_fixtures.stats.proportion import wilson_interval


def test_full_imagenet_is_bounded_within_0_37_points() -> None:
    interval = wilson_interval(38255, 50_000)
    assert interval.low == pytest.approx(0.7651 - 0.0037, abs=1e-4)
    assert interval.high == pytest.approx(0.7651 + 0.0037, abs=1e-4)
    assert interval.confidence == 0.95


def test_interval_is_the_one_of_newcombe_s_table() -> None:
    interval = wilson_interval(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(("correct", "low", "high"), [(0, 0.0, 0.2775), (10, 0.7225, 1.0)])
def test_interval_keeps_its_width_at_the_ends(correct: int, low: float, high: float) -> None:
    interval = wilson_interval(correct, 10)
    assert interval.low == pytest.approx(low, abs=1e-4)
    assert interval.high == pytest.approx(high, abs=1e-4)


def test_more_confidence_and_fewer_images_widen() -> None:
    def width(correct: int, total: int, confidence: float) -> float:
        interval = wilson_interval(correct, total, confidence)
        return interval.high - interval.low

    assert width(76, 100, 0.90) < width(76, 100, 0.95) < width(76, 100, 0.99)
    assert width(7600, 10_000, 0.95) < width(760, 1000, 0.95) < width(76, 100, 0.95)


@pytest.mark.parametrize("accuracy", [0.7651, 0.9307, 0.99])
def test_interval_covers_the_truth_as_often_as_it_promises(accuracy: float) -> None:
    runs = 400
    counts = np.random.default_rng(4).binomial(500, accuracy, runs)
    intervals = [wilson_interval(int(correct), 500) for correct in counts]
    hits = sum(interval.low <= accuracy <= interval.high for interval in intervals)
    assert 0.92 <= hits / runs <= 0.98


@pytest.mark.parametrize(("correct", "total", "reason"), [(0, 0, "n must be"), (5, 4, "must not be greater")])
def test_impossible_counts_are_refused(correct: int, total: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        wilson_interval(correct, total)
