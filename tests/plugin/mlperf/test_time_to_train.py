from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.mlperf.time_to_train import Score, TimedRun, score_runs, time_run
from resnet_fixtures.mlperf.training_log import TrainingLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet_fixtures.training.order import Order
    from tests.plugin.mlperf.conftest import Play


def runs(*seconds: float) -> list[TimedRun]:
    """Give runs of these times; infinity is one that missed the target after a second."""
    return [
        TimedRun(one, has_reached=True) if math.isfinite(one) else TimedRun(1.0, has_reached=False) for one in seconds
    ]


@pytest.mark.parametrize(
    ("seconds", "score"),
    [
        ((50.0, 10.0, 30.0, 20.0, 1000.0), (50 + 30 + 20) / 3),
        ((10.0, math.inf, 20.0, 30.0, 70.0), (20 + 30 + 70) / 3),
        ((10.0, 10.0, 10.0, 10.0, 10.0), 10.0),
        ((60.0, 10.0, 20.0, 30.0, 40.0, 50.0), 35.0),
    ],
)
def test_best_and_worst_run_are_dropped(seconds: tuple[float, ...], score: float) -> None:
    assert score_runs(runs(*seconds)).seconds == pytest.approx(score)


@pytest.mark.parametrize("seconds", [(50.0, 10.0, 30.0, 20.0, 9.0), (10.0, math.inf, 20.0, 30.0, 70.0)])
def test_score_is_that_of_mlperf(seconds: tuple[float, ...]) -> None:
    summarizer = pytest.importorskip("mlperf_logging.result_summarizer.result_summarizer")
    converged = [one for one in seconds if math.isfinite(one)]
    theirs = summarizer._compute_olympic_average(converged, len(seconds) - len(converged), 1)
    assert score_runs(runs(*seconds)).seconds == pytest.approx(theirs)


def test_reason_says_what_was_dropped() -> None:
    assert score_runs(runs(1, 2, 3, 4, 5)).reason == "The mean of 3 runs of 5, without the fastest and the slowest."
    missed = score_runs(runs(1, 2, 3, 4, math.inf)).reason
    assert missed == "The mean of 3 runs of 5, without the fastest and the one that did not reach the target."


def test_two_failures_are_one_too_many() -> None:
    sentence = "2 of 5 runs did not reach the target, and MLPerf forgives one."
    assert score_runs(runs(1, math.inf, 2, 3, math.inf)) == Score(None, sentence)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_runs_have_no_score(count: int) -> None:
    assert score_runs(runs(*[1.0] * count)) == Score(None, f"MLPerf scores 5 runs, not {count}.")


def test_one_run_scores_its_own_time() -> None:
    assert score_runs(runs(7.0)) == Score(7.0, "The time of one run; MLPerf scores 5.")
    assert score_runs(runs(math.inf)) == Score(None, "The run did not reach the target.")


def test_score_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="a score needs a run"):
        score_runs([])


def test_time_is_that_between_start_and_stop(log: TrainingLog, play: Play) -> None:
    entries = play(log, (0.5, 0.76))
    times_ms = {entry["key"]: entry["time_ms"] for entry in entries}
    timed = time_run(entries)
    assert timed == TimedRun((times_ms["run_stop"] - times_ms["run_start"]) / 1000, has_reached=True)
    assert timed.seconds > 1


def test_aborted_run_has_not_reached_its_target(log: TrainingLog, play: Play) -> None:
    assert not time_run(play(log, (0.5,), is_success=False)).has_reached


def test_unfinished_run_has_not_reached_its_target(log: TrainingLog, play: Play) -> None:
    entries = play(log, (0.5, 0.76))
    unfinished = time_run(entries[:-1])
    assert unfinished == TimedRun(time_run(entries).seconds - 1, has_reached=False)


def test_pause_of_a_resumed_run_counts(order: Order, log: TrainingLog, clock: Callable[[], float]) -> None:
    log.start_run()
    log.epoch_started(1)
    resumed = TrainingLog(order, clock=lambda: clock() + 3600)
    resumed.restore(log.entries, step=5)
    resumed.end(is_success=True)
    assert time_run(resumed.entries).seconds > 3600


def test_log_without_a_start_is_an_error(log: TrainingLog) -> None:
    log.initialise()
    with pytest.raises(ValueError, match="no run_start"):
        time_run(log.entries)
