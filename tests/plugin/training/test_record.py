from __future__ import annotations

import pytest

from resnet_fixtures.training.events import Begun, Ended, Evaluated, Logged, Saved, Step
from resnet_fixtures.training.record import TrainingRecord, loss_trend


def make_step(number: int, loss: float = 1.0) -> Step:
    return Step(number, loss, 0.1, 0.5, 0.0, 0.0)


def test_events_are_kept_by_kind() -> None:
    record = TrainingRecord()
    assert record.top1 is None
    assert record.describe_curve() == "no evaluation"
    begun, ended = Begun(0, 2, 1, 10), Ended(2, 3.0, reached=False)
    for event in (
        begun,
        make_step(1),
        Saved("a", 1),
        Evaluated(1, 1, 1, 2, 4, 0.1),
        make_step(2),
        Saved("b", 2),
        Evaluated(2, 2, 3, 4, 4, 0.1),
        Logged({"key": "seed"}),
        ended,
    ):
        record.add(event)
    assert (record.begun, record.ended) == (begun, ended)
    assert [step.number for step in record.steps] == [1, 2]
    assert (record.checkpoint, record.log) == ("b", [{"key": "seed"}])
    assert record.top1 == 0.75
    assert record.describe_curve() == "epoch 1: 0.2500, epoch 2: 0.7500"


@pytest.mark.parametrize(
    ("losses", "first", "last", "is_falling"),
    [
        ([6, 5, 4, 3, 2, 1], 5, 2, True),
        ([1, 2, 3, 4, 5, 6], 2, 5, False),
        ([1, 1, 1, 1, 1, 1], 1, 1, False),
        ([5, 99, 5, 3, 3, 3, 3, 3, 3, 1, 99, 1], 5, 1, True),  # an outlier in either window decides nothing
        ([*range(40, 0, -1)], 35.5, 5.5, True),
    ],
)
def test_trend_compares_medians_of_the_first_and_last_quarter(
    losses: list[float], first: float, last: float, is_falling: bool
) -> None:
    trend = loss_trend(losses)
    assert trend is not None
    assert (trend.first, trend.last, trend.is_falling) == (first, last, is_falling)
    assert ("did not fall" in trend.sentence) != is_falling


def test_a_trend_needs_two_windows_of_three() -> None:
    assert loss_trend([3, 2, 1, 0, 0]) is None
    assert loss_trend([3, 2, 1, 0, 0, 0]) is not None


def test_a_long_run_keeps_no_steps() -> None:
    record = TrainingRecord(keeps_steps=False)
    record.add(make_step(1))
    assert record.steps == []
