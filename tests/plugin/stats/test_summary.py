from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from resnet_fixtures.stats.summary import Interval, images_per_s, images_per_s_interval, summarise_latency


def test_summary_of_hundred_known_steps() -> None:
    summary = summarise_latency([n / 1000 for n in range(100, 0, -1)])
    assert summary.steps == 100
    assert summary.median_s == pytest.approx(0.0505)
    assert summary.mean_s == pytest.approx(0.0505)
    # Ranks 40 and 61 of 100, as in any table of the median's 95 % order statistics.
    assert summary.median_interval_s == Interval(0.040, 0.061, 0.95)
    assert summary.p90_s == pytest.approx(0.0901)
    assert summary.p90_upper_s == 0.096
    assert (summary.p99_s, summary.p99_upper_s) == (None, None)


def test_one_slow_step_moves_the_mean_but_not_the_median() -> None:
    summary = summarise_latency([0.010] * 29 + [1.0])
    assert summary.median_s == 0.010
    assert summary.median_interval_s == Interval(0.010, 0.010, 0.95)
    assert summary.mean_s == pytest.approx(0.043)


@pytest.mark.parametrize(
    ("confidence", "median_from", "p90_from", "p99_from"),
    [(0.95, 6, 29, 299), (0.99, 8, 44, 459), (0.80, 4, 16, 161)],
)
def test_statistics_appear_exactly_where_the_sample_carries_them(
    confidence: float, median_from: int, p90_from: int, p99_from: int
) -> None:
    steps_s = np.random.default_rng(1).lognormal(-4, 0.2, 480)
    for n in (*range(1, 60), *range(p99_from - 3, p99_from + 4)):
        summary = summarise_latency(list(steps_s[:n]), confidence)
        assert (summary.median_interval_s is not None) == (n >= median_from), n
        assert (summary.p90_s is not None) == (summary.p90_upper_s is not None) == (n >= p90_from), n
        assert (summary.p99_s is not None) == (summary.p99_upper_s is not None) == (n >= p99_from), n


def test_bounds_enclose_their_estimates_for_every_sample_size() -> None:
    rng = np.random.default_rng(2)
    for n in range(6, 400, 7):
        summary = summarise_latency(list(rng.exponential(0.01, n)))
        assert summary.median_interval_s is not None
        assert summary.median_interval_s.low <= summary.median_s <= summary.median_interval_s.high
        assert (summary.p90_s or 0) <= (summary.p90_upper_s or 0)
        assert (summary.p99_s or 0) <= (summary.p99_upper_s or 0)


def test_bounds_cover_the_truth_as_often_as_they_promise() -> None:
    rng, runs, steps = np.random.default_rng(3), 400, 40
    true_median_s, true_p90_s = 0.01 * np.log(2), 0.01 * np.log(10)
    median_hits = p90_hits = 0
    for _ in range(runs):
        summary = summarise_latency(list(rng.exponential(0.01, steps)))
        assert summary.median_interval_s is not None
        assert summary.p90_upper_s is not None
        median_hits += summary.median_interval_s.low <= true_median_s <= summary.median_interval_s.high
        p90_hits += true_p90_s <= summary.p90_upper_s
    assert 0.93 <= median_hits / runs < 1  # 0.962 by the binomial distribution, standard error 0.01
    assert 0.93 <= p90_hits / runs < 1  # 0.985 with the largest of 40 steps as the bound


@pytest.mark.parametrize("steps_s", [[], [0.01, float("nan")], [0.01, float("inf")]])
def test_sample_without_usable_times_is_refused(steps_s: list[float]) -> None:
    with pytest.raises(ValueError, match="needs one step or more and finite times"):
        summarise_latency(steps_s)


def test_throughput_is_batch_over_time() -> None:
    assert images_per_s(128, 0.5) == 256.0
    assert images_per_s_interval(128, Interval(0.25, 0.5, 0.9)) == Interval(256.0, 512.0, 0.9)


def test_import_does_not_load_scipy() -> None:
    modules = "summary, proportion, paired"
    code = f"import sys; from resnet_fixtures.stats import {modules}; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
