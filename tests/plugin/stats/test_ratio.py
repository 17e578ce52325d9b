from __future__ import annotations

import random
import subprocess
import sys

import pytest

from resnet_fixtures.stats.ratio import Change, compare_crossover, compare_groups
from tests.plugin.lazy_tensorflow import LazyModule

stats = LazyModule("scipy.stats")  # collecting the tests must not load it

A, B = [0.0, 0.02, -0.01, 0.01, 0.03], [0.06, 0.05, 0.08]


# Hollander and Wolfe's permeability of membranes, the example of R's wilcox.test
AT_TERM, AT_12_WEEKS = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46], [1.15, 0.88, 0.90, 0.74, 1.21]


def draw(rng: random.Random, count: int, mean: float, deviation: float) -> list[float]:
    return [rng.gauss(mean, deviation) for _ in range(count)]


def draw_with_bad_tenth(rng: random.Random, count: int, mean: float) -> list[float]:
    return [rng.gauss(mean, 0.01) + (0.1 if rng.random() < 0.1 else 0) for _ in range(count)]


def test_groups_are_compared_as_r_s_wilcox_test_does() -> None:
    change = compare_groups(AT_12_WEEKS, AT_TERM, 0.95)
    assert change.estimate == pytest.approx(0.305)
    assert change.interval is not None
    assert (change.interval.low, change.interval.high) == pytest.approx((-0.15, 0.76))


def test_few_values_are_compared_as_scipy_s_welch_does() -> None:
    change = compare_groups(A, B, 0.999)
    two_sided = stats.ttest_ind(B, A, equal_var=False).confidence_interval(0.999)
    one_sided = stats.ttest_ind(B, A, equal_var=False, alternative="less").confidence_interval(0.95)
    assert change.estimate == pytest.approx(0.0533333, abs=1e-6)
    assert change.interval is not None
    assert (change.interval.low, change.interval.high) == pytest.approx((two_sided.low, two_sided.high))
    assert change.interval.confidence == 0.999
    assert change.upper95 == pytest.approx(one_sided.high)
    # half of the values are 0.01 or less from their side's median, 0.6745 standard deviations of a normal
    assert change.spread == pytest.approx(0.0148260, abs=1e-6)


def test_how_bad_one_process_is_does_not_matter() -> None:
    rng = random.Random(3)
    baseline, run = draw(rng, 20, 0, 0.01), draw(rng, 10, 0.02, 0.01)
    changes = [compare_groups([*baseline[:-1], worst], run, 0.99) for worst in (0.1, 1.0)]
    assert changes[0] == changes[1]
    assert changes[0].interval is not None
    assert changes[0].interval.low > 0


@pytest.mark.parametrize(("count", "is_by_ranks"), [(5, False), (6, True)])
def test_ranks_bound_what_the_counts_allow(count: int, is_by_ranks: bool) -> None:
    values = [0.01 * number for number in range(count)]
    change = compare_groups(values, values, 0.996)  # of 252 orders of 5 and 5, and of 924 of 6 and 6, two are extreme
    assert change.interval is not None
    assert (change.interval.high == max(values)) is is_by_ranks


def test_a_single_process_borrows_the_other_side_s_scatter() -> None:
    expected = stats.ttest_ind([0.04], A, equal_var=True).confidence_interval(0.99)
    for baseline, run, sign in ((A, [0.04], 1), ([0.04], A, -1)):
        change = compare_groups(baseline, run, 0.99)
        assert change.interval is not None
        bounds = sorted((sign * change.interval.low, sign * change.interval.high))
        assert bounds == pytest.approx([expected.low, expected.high])


def test_pairs_in_two_orders_are_compared_as_scipy_s_two_sample_test_does() -> None:
    change = compare_crossover(A, B, 0.99)
    swapped = stats.ttest_ind(A, [-value for value in B])  # Hills and Armitage: half the difference, one order negated
    expected = swapped.confidence_interval(0.99)
    assert change.interval is not None
    assert (change.interval.low, change.interval.high) == pytest.approx((expected.low / 2, expected.high / 2))
    one_sided = stats.ttest_ind(A, [-value for value in B], alternative="less").confidence_interval(0.95)
    assert change.upper95 == pytest.approx(one_sided.high / 2)


def test_what_an_order_adds_to_a_side_moves_nothing() -> None:
    change, shifted = (compare_crossover([a + x for a in A], [b - x for b in B], 0.99) for x in (0.0, 0.04))
    assert shifted.estimate == pytest.approx(change.estimate)
    assert shifted.spread == pytest.approx(change.spread)
    assert shifted.upper95 == pytest.approx(change.upper95)


def test_too_few_values_have_an_estimate_and_nothing_else() -> None:
    assert compare_groups([0.125], [0.375], 0.99) == Change(0.25)
    assert compare_crossover([0.2], [], 0.99) == compare_crossover([], [0.2], 0.99) == Change(0.2)
    assert compare_crossover([0.125], [0.375], 0.99) == Change(0.25)
    assert compare_crossover([0.125, 0.375], [], 0.99) == Change(0.25)


def test_values_that_do_not_vary_bound_nothing() -> None:
    assert compare_groups([0.1] * 5, [0.3] * 5, 0.99).interval is None
    assert compare_groups([0.1, 0.1 + 1e-15], [0.3] * 5, 0.99).interval is None
    assert compare_crossover([0.2] * 3, [0.2] * 2, 0.99).upper95 is None


def test_one_side_may_be_constant() -> None:
    change = compare_groups([0.1] * 5, B, 0.99)
    expected = stats.t.interval(0.99, 2, 0.0633333 - 0.1, stats.sem(B))
    assert change.interval is not None
    assert (change.interval.low, change.interval.high) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_interval_covers_the_truth_as_often_as_it_promises(confidence: float) -> None:
    rng, runs = random.Random(7), 1000
    hits = {"ranks": 0, "means": 0, "crossover": 0, "single": 0}
    for _ in range(runs):
        changes = {
            "ranks": compare_groups(draw_with_bad_tenth(rng, 12, 0), draw_with_bad_tenth(rng, 8, 0.03), confidence),
            "means": compare_groups(draw(rng, 3, 0, 0.01), draw(rng, 4, 0.03, 0.02), confidence),
            "crossover": compare_crossover(draw(rng, 3, 0.05, 0.01), draw(rng, 2, 0.01, 0.01), confidence),
            "single": compare_groups(draw(rng, 1, 0, 0.01), draw(rng, 8, 0.03, 0.01), confidence),
        }
        for name, change in changes.items():
            assert change.interval is not None
            hits[name] += change.interval.low <= 0.03 <= change.interval.high
    for name, count in hits.items():
        assert abs(count / runs - confidence) < 0.015, name


@pytest.mark.parametrize(("deviation", "least"), [(0.005, 0.99), (0.01, 0.985), (0.02, 0.975)])
def test_coverage_falls_no_further_where_the_smaller_group_scatters_more(deviation: float, least: float) -> None:
    rng, runs, hits = random.Random(11), 500, 0
    for _ in range(runs):
        change = compare_groups(draw(rng, 40, 0, 0.01), draw(rng, 8, 0.03, deviation), 0.99)
        assert change.interval is not None
        hits += change.interval.low <= 0.03 <= change.interval.high
    assert hits / runs > least


def test_bounds_are_those_of_scipy_s_brunner_and_munzel_where_one_side_scatters_more() -> None:
    rng = random.Random(5)
    baseline, run = draw(rng, 40, 0, 0.01), draw(rng, 12, 0.03, 0.03)
    change = compare_groups(baseline, run, 0.998)
    assert change.interval is not None
    for bound, sides in ((change.interval.low, "less"), (change.interval.high, "greater")):
        tails = [
            stats.brunnermunzel(baseline, [value - bound - aside for value in run], alternative=sides).pvalue
            for aside in (-1e-9, 1e-9)
        ]
        assert min(tails) <= 0.001 < max(tails)


def test_values_that_are_written_twice_are_compared_too() -> None:
    baseline, run = [0.0] * 10 + [0.01] * 10, [0.05] * 10
    change = compare_groups(baseline, run, 0.99)
    assert change.interval is not None
    assert 0.04 <= change.interval.low <= change.estimate <= change.interval.high <= 0.05


def test_more_processes_narrow_the_interval_at_every_count() -> None:
    values = [0.01 if index % 2 else -0.01 for index in range(40)]
    widths = []
    for count in range(2, 40, 2):
        change = compare_groups(values[:count], values[:count], 0.999)
        assert change.interval is not None
        widths.append(change.interval.high - change.interval.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 40 * widths[-1]  # two on each side say next to nothing


@pytest.mark.parametrize(("baseline", "run"), [([], [0.1]), ([0.1], [])])
def test_an_empty_side_is_refused(baseline: list[float], run: list[float]) -> None:
    with pytest.raises(ValueError, match="one value or more on each side"):
        compare_groups(baseline, run, 0.99)


def test_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="one pair or more"):
        compare_crossover([], [], 0.99)


def test_module_is_imported_without_scipy() -> None:
    code = "import sys, resnet_fixtures.stats.ratio; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
