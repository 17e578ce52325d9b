from __future__ import annotations

import math
import random
from statistics import fmean, stdev

import pytest

from resnet_fixtures.stats.covariate import Slope, fit_slope, remove_slope, widen
from resnet_fixtures.stats.ratio import Change
from resnet_fixtures.stats.summary import Interval

UNKNOWN = Slope(0.0, 1e6)  # nothing is expected
EXPECTED = Slope(0.0, 0.3)
Groups = tuple[list[float], list[float]]


def draw(count: int, slope: float, own: float, covariate: float, seed: int = 1) -> tuple[Groups, Groups]:
    """Two groups of values and covariates, the second group 0.5 above in both."""
    rng = random.Random(seed)
    covariates = tuple([level + rng.gauss(0, covariate) for _ in range(count)] for level in (0.0, 0.5))
    values = tuple([slope * one + rng.gauss(0, own) for one in group] for group in covariates)
    return (values[0], values[1]), (covariates[0], covariates[1])


def test_slope_is_of_the_processes_of_a_side_whatever_tells_the_sides_apart() -> None:
    values, covariates = draw(30, -0.33, own=0.001, covariate=0.05)
    shifted = values[0], [value + 3 for value in values[1]]
    for groups in (values, shifted):
        assert fit_slope(groups, covariates, UNKNOWN, 0).estimate == pytest.approx(-0.33, abs=0.01)


def test_error_is_what_the_slopes_of_many_draws_scatter_by() -> None:
    slopes = [fit_slope(*draw(15, -0.3, own=0.01, covariate=0.05, seed=seed), UNKNOWN, 0) for seed in range(200)]
    scatter = stdev(slope.estimate for slope in slopes)
    assert fmean(slope.estimate for slope in slopes) == pytest.approx(-0.3, abs=3 * scatter / math.sqrt(200))
    assert fmean(slope.error for slope in slopes) == pytest.approx(scatter, rel=0.15)


def test_one_process_in_ten_that_goes_its_own_way_does_not_turn_the_slope() -> None:
    values, covariates = draw(20, -0.3, own=0.003, covariate=0.05)
    values[0][3] += 1.0
    values[1][7] += 1.0
    assert fit_slope(values, covariates, UNKNOWN, 0).estimate == pytest.approx(-0.3, abs=0.03)


def test_few_or_equal_processes_leave_what_is_expected() -> None:
    equal = [0.1, 0.1, 0.1], [0.1, 0.1]
    assert fit_slope(equal, equal, EXPECTED, 0.01) == EXPECTED
    assert fit_slope(([0.1], [0.2]), ([0.1], [0.3]), EXPECTED, 0.01) == EXPECTED
    found = fit_slope(*draw(2, -1.0, own=0.05, covariate=0.05), EXPECTED, 0.01)
    assert abs(found.estimate) < 0.3
    assert 0.2 < found.error <= 0.3


def test_a_covariate_that_is_its_own_noise_leaves_what_is_expected() -> None:
    rng = random.Random(3)
    noise = tuple([rng.gauss(0, 0.01) for _ in range(50)] for _ in range(2))
    values = tuple([-one for one in group] for group in noise)  # as a ratio has its reference's noise
    found = fit_slope((values[0], values[1]), (noise[0], noise[1]), EXPECTED, 0.01)
    assert -0.15 < found.estimate < 0
    assert found.error == pytest.approx(0.3, abs=0.02)


def test_removed_slope_leaves_what_does_not_follow() -> None:
    values, covariates = ([1.0, 2.0], [5.0]), ([0.0, 2.0], [4.0])
    assert remove_slope(values, covariates, Slope(0.5, 0.1)) == ([1.0, 1.0], [3.0])


def test_bounds_move_out_by_the_root_of_the_sum_of_squares() -> None:
    change = widen(Change(0.01, Interval(-0.02, 0.04, 0.95), 0.03, 0.005), 0.04 / 1.959964)
    assert (change.estimate, change.spread) == (0.01, 0.005)
    assert change.interval is not None
    assert change.interval.low == pytest.approx(0.01 - 0.05)
    assert change.interval.high == pytest.approx(0.01 + 0.05)
    assert change.upper95 == pytest.approx(0.01 + math.hypot(0.02, 0.04 * 1.644854 / 1.959964))


def test_without_bounds_and_without_an_error_nothing_moves() -> None:
    assert widen(Change(0.01), 0.5) == Change(0.01)
    change = Change(0.01, Interval(-0.02, 0.05, 0.95), 0.03, 0.005)
    moved = widen(change, 0.0)
    assert moved.interval is not None
    assert (moved.interval.low, moved.interval.high, moved.upper95) == pytest.approx((-0.02, 0.05, 0.03))
