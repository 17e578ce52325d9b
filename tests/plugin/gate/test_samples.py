from __future__ import annotations

import math

import pytest

from resnet_fixtures.gate.samples import ProcessSample


def test_step_is_compared_with_the_references_before_and_after_it() -> None:
    # The machine slows fourfold between the first and the last reference; each step takes what its moment asks for.
    sample = ProcessSample((0.2, 0.2 * math.sqrt(2), 0.4 * math.sqrt(2)), (), (0.1, 0.2, 0.4))
    assert sample.log_ratio == pytest.approx(math.log(2))
    assert sample.log_reference == pytest.approx(math.log(0.1 * 2**0.25))  # the quiet half: the first two moments


def test_a_single_step_has_the_reference_after_it() -> None:
    assert ProcessSample((0.3,), (), (0.1,)).log_ratio == pytest.approx(math.log(3))


@pytest.mark.parametrize("disturbed", [0, 3, 5, 10])
def test_a_neighbour_that_is_busy_half_of_the_time_does_not_change_the_ratio(disturbed: int) -> None:
    # it slows the step 1.7 times, the reference 1.5 times
    steps_s, reference_s = [0.3] * (20 - disturbed) + [0.51] * disturbed, [0.1] * (20 - disturbed) + [0.15] * disturbed
    assert ProcessSample(tuple(steps_s), (), tuple(reference_s)).log_ratio == pytest.approx(math.log(3))


def test_without_a_reference_there_is_no_ratio() -> None:
    sample = ProcessSample((0.3, 0.1, 0.2))
    assert (sample.log_step, sample.log_reference, sample.log_ratio) == (math.log(0.2), None, None)


@pytest.mark.parametrize(
    ("steps_s", "reference_s"),
    [((), ()), ((0.1, 0.1), (0.1,)), ((0.0,), ()), ((-1.0,), ()), ((math.inf,), ()), ((0.1,), (math.nan,))],
)
def test_what_no_process_measures_is_refused(steps_s: tuple[float, ...], reference_s: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a sample"):
        ProcessSample(steps_s, (), reference_s)
