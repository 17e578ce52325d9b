from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.timing.measurement import Measurement, StepBudget, WarmUp, describe_cut, plan_steps, warm_up

if TYPE_CHECKING:
    from collections.abc import Iterable


class ScriptedClock:
    """Nanoseconds that only pass in `step`, by the given durations; the last one repeats."""

    def __init__(self, seconds: Iterable[float]) -> None:
        self.now_ns = 1_000
        self.seconds = list(seconds)
        self.steps = 0

    def __call__(self) -> int:
        return self.now_ns

    def step(self) -> None:
        self.now_ns += round(self.seconds[min(self.steps, len(self.seconds) - 1)] * 1e9)
        self.steps += 1


def test_warm_ups_are_kept_raw_and_told_one_by_one() -> None:
    clock, heard = ScriptedClock([2.5, 0.25, 0.125]), list[tuple[int, float]]()
    warmup = warm_up(clock.step, StepBudget(warmup_steps=4), clock, lambda n, s: heard.append((n, s)))
    assert warmup == WarmUp(seconds=(2.5, 0.25, 0.125, 0.125), cut=None)
    assert heard == [(1, 2.5), (2, 0.25), (3, 0.125), (4, 0.125)]


def test_listener_is_not_timed() -> None:
    clock = ScriptedClock([0.1])
    warmup = warm_up(clock.step, StepBudget(warmup_steps=3), clock, lambda _n, _s: clock.step())
    assert warmup.seconds == (0.1, 0.1, 0.1)


def test_warm_ups_end_with_their_share_of_the_time() -> None:
    clock = ScriptedClock([2.0])
    warmup = warm_up(clock.step, StepBudget(warmup_steps=10, steps=50, max_time_s=60), clock)
    assert warmup.seconds == (2.0,) * 5  # a sixth of 60 s
    assert warmup.cut == "--max-time 60 s cut the warm-ups from 10 to 5: raise it to run them all."


@pytest.mark.parametrize("step_s", [0.0, 1e-6, 0.01, 0.3, 1.0, 7.0, 100.0])
@pytest.mark.parametrize("max_time_s", [0.001, 1.0, 60.0, float("inf")])
def test_budget_never_cuts_below_its_floors_and_otherwise_holds(step_s: float, max_time_s: float) -> None:
    budget, clock = StepBudget(max_time_s=max_time_s), ScriptedClock([step_s])
    warmup = warm_up(clock.step, budget, clock)
    steps = plan_steps(warmup, budget)
    assert 3 <= len(warmup.seconds) <= 10
    assert 10 <= steps <= 50
    total_s = (len(warmup.seconds) + steps) * step_s
    assert total_s <= max_time_s + 1e-6 or steps == 10
    assert (describe_cut(budget, len(warmup.seconds), steps) is None) == ((len(warmup.seconds), steps) == (10, 50))


def test_first_slow_warm_up_does_not_cut_the_steps() -> None:
    budget = StepBudget(warmup_steps=4, steps=50, max_time_s=10)
    assert plan_steps(WarmUp((4.0, 0.1, 0.1, 0.1), None), budget) == 50
    assert plan_steps(WarmUp((4.0, 0.25, 0.25, 0.25), None), budget) == 21


def test_time_that_the_warm_ups_overdrew_leaves_the_floor() -> None:
    assert plan_steps(WarmUp((99.0, 0.0, 0.0), None), StepBudget()) == 10


def test_who_asks_for_fewer_than_the_floors_gets_fewer() -> None:
    clock, budget = ScriptedClock([9.0]), StepBudget(warmup_steps=1, steps=2, max_time_s=1)
    warmup = warm_up(clock.step, budget, clock)
    assert (len(warmup.seconds), plan_steps(warmup, budget)) == (1, 2)
    assert describe_cut(budget, 1, 2) is None


@pytest.mark.parametrize(
    ("warmup_steps", "steps", "sentence"),
    [
        (10, 50, None),
        (10, 12, "--max-time 2.5 s cut the steps from 50 to 12: raise it to run them all."),
        (
            3,
            10,
            "--max-time 2.5 s cut the warm-ups from 10 to 3 and the steps from 50 to 10: raise it to run them all.",
        ),
    ],
)
def test_cut_is_one_sentence_with_the_cure(warmup_steps: int, steps: int, sentence: str | None) -> None:
    assert describe_cut(StepBudget(max_time_s=2.5), warmup_steps, steps) == sentence


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"warmup_steps": 0}, "--warmup-steps is 0: pass a number above 0."),
        ({"steps": -5}, "--steps is -5: pass a number above 0."),
        ({"max_time_s": float("nan")}, "--max-time is nan: pass a number above 0."),
    ],
)
def test_budget_that_cannot_be_is_refused(option: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        StepBudget(**option)


def test_measurement_gives_the_median_step_s_throughput_without_the_warm_ups() -> None:
    measurement = Measurement(batch_size=32, warmup_s=(9.0,), steps_s=(0.5, 0.25, 4.0))
    assert measurement.images_per_s == 64.0
    assert measurement.summary().steps == 3
    assert measurement.summary().median_s == 0.5


def test_real_clock_times_a_real_step() -> None:
    warmup = warm_up(lambda: sum(range(10_000)), StepBudget(warmup_steps=3))
    assert all(0 < seconds < 1 for seconds in warmup.seconds)
