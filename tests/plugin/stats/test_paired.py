from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.stats.paired import PairedComparison, compare_paired

if TYPE_CHECKING:
    import numpy.typing as npt


def answers(both_right: int, only_a: int, only_b: int, both_wrong: int) -> PairedComparison:
    a = [True] * both_right + [True] * only_a + [False] * only_b + [False] * both_wrong
    b = [True] * both_right + [False] * only_a + [True] * only_b + [False] * both_wrong
    return compare_paired(np.array(a), np.array(b))


def test_counts_difference_and_exact_p_value() -> None:
    comparison = answers(both_right=700, only_a=20, only_b=8, both_wrong=272)
    counts = (comparison.both_right, comparison.only_a, comparison.only_b, comparison.both_wrong)
    assert counts == (700, 20, 8, 272)
    assert comparison.images == 1000
    assert comparison.difference == pytest.approx(0.012)
    # 2 * P(at most 8 heads of 28 tosses) = 2 * 4 791 323 / 2**28
    assert comparison.p_value == pytest.approx(0.0356982, abs=1e-6)
    assert comparison.is_different()
    assert not comparison.is_different(alpha=0.01)


def test_interval_is_bonett_and_price_s() -> None:
    interval = answers(both_right=700, only_a=20, only_b=8, both_wrong=272).difference_interval
    # (21 - 9) / 1002 -+ 1.959964 * sqrt((30 / 1002 - (12 / 1002)**2) / 1002)
    assert (interval.low, interval.high) == pytest.approx((0.0012880, 0.0226641), abs=1e-6)
    assert interval.confidence == 0.95


def test_swapping_the_two_turns_the_sign_only() -> None:
    ab, ba = answers(50, 9, 2, 10), answers(50, 2, 9, 10)
    assert ab.p_value == ba.p_value
    assert ab.difference == -ba.difference
    assert ab.difference_interval.low == pytest.approx(-ba.difference_interval.high)


def test_same_answers_do_not_differ_but_leave_room_for_doubt() -> None:
    comparison = answers(both_right=70, only_a=0, only_b=0, both_wrong=30)
    assert comparison.p_value == 1.0
    assert comparison.difference == 0.0
    assert comparison.difference_interval.low == pytest.approx(-comparison.difference_interval.high)
    assert 0.01 < comparison.difference_interval.high < 0.05


def test_smallest_disagreement_that_can_be_told_is_six() -> None:
    assert [n for n in range(12) if answers(100, n, 0, 0).is_different()] == [6, 7, 8, 9, 10, 11]


def test_interval_stays_within_the_possible() -> None:
    interval = answers(both_right=0, only_a=3, only_b=0, both_wrong=0).difference_interval
    assert interval.high == 1.0
    assert interval.low > -1.0


def test_equal_precisions_are_rarely_called_different_and_the_interval_covers() -> None:
    rng, runs, images = np.random.default_rng(5), 300, 400
    alarms = hits = 0
    for _ in range(runs):
        kind = rng.choice(4, images, p=[0.72, 0.05, 0.03, 0.20])  # a is better by 2 points
        comparison = compare_paired(kind <= 1, (kind == 0) | (kind == 2))
        hits += comparison.difference_interval.low <= 0.02 <= comparison.difference_interval.high
        kind = rng.choice(4, images, p=[0.72, 0.04, 0.04, 0.20])
        alarms += compare_paired(kind <= 1, (kind == 0) | (kind == 2)).is_different()
    assert 0.92 <= hits / runs <= 0.99
    assert 0 < alarms / runs <= 0.06


@pytest.mark.parametrize(
    ("a", "b"), [(np.ones(3, bool), np.ones(4, bool)), (np.ones(0, bool), np.ones(0, bool)), (np.eye(2) > 0,) * 2]
)
def test_answers_to_other_images_are_refused(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> None:
    with pytest.raises(ValueError, match="takes the same images, not"):
        compare_paired(a, b)


def test_labels_in_place_of_correctness_are_refused() -> None:
    with pytest.raises(TypeError, match="takes boolean arrays, not int"):
        compare_paired(np.array([592, 258]), np.array([True, False]))
