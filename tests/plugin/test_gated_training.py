"""Trainings under the gate: trials are told again and again, and times to the target one by one."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.run_file import read_run
from resnet_fixtures.gate.samples import Metric
from resnet_fixtures.training.events import Begun, Ended, Step
from tests.plugin.conftest import TESTS
from tests.plugin.told_trainings import UNTIMED, Told, tell_convergence, tell_trainings, tell_trial
from tests.plugin.training.train_split import write_train_split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resnet_fixtures.training.events import Event
    from resnet_fixtures.training.order import Order
    from tests.plugin.conftest import SplitWriter, SuiteRunner

TRIAL_TEST = TESTS / "training" / "test_trial.py"
TRIAL = "tests/training/test_trial.py::test_training_trial[fp32-bs16]"
TARGET_TEST = TESTS / "training" / "test_convergence.py"
TARGET = "tests/training/test_convergence.py::test_mlperf_convergence[fp32]"
GIVEN = ("--gate-baseline=base.json", "--output-dir=out", *UNTIMED)
ALONE = ("-m", "fp32 and not distributed", "--train-steps=20", *GIVEN)


class Trial:
    """Tells trials of steps of half a second, `slower` times as long, with a noise of 0.1 % a trial."""

    def __init__(self) -> None:
        self.slower = 1.0
        self._rng = random.Random(2)

    def __call__(self, order: Order) -> Iterator[Event]:
        seconds = 0.5 * self.slower * (1 + self._rng.gauss(0, 0.001))
        yield Begun(0, 20, 8, 9)
        for number in range(1, 21):
            yield Step(number, 7 - number / 16, 0.1, seconds, seconds / 4, 0.0)
        yield Ended(20, 20 * seconds, reached=False)


@pytest.fixture
def trial() -> Trial:
    return Trial()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, trial: Trial) -> Told:
    return tell_trainings(monkeypatch, trial)


@pytest.mark.parametrize(
    ("slower", "verdict", "trials"), [(1.0, "PASS", 5), (1.06, "REGRESSED", 10), (0.9, "IMPROVED", 5)]
)
def test_trial_is_run_again_until_it_is_decided(
    pytester: pytest.Pytester,
    run_suite: SuiteRunner,
    trial: Trial,
    told: Told,
    slower: float,
    verdict: str,
    trials: int,
) -> None:
    run_suite("--gate-update", *ALONE, tests=[TRIAL_TEST]).assert_outcomes(passed=1, deselected=3)
    assert len(told.orders) == 80
    (entry,) = read_run(pytester.path / "base.json").values()
    assert (entry.test, entry.metric, entry.batch_size) == (TRIAL, Metric.IMAGES_PER_S, 16)
    assert all(len(sample.steps_s) == 17 and not sample.reference_s for sample in entry.samples)
    trial.slower = slower
    result = run_suite("--gate", *ALONE, "--benchmark-json=out.json", tests=[TRIAL_TEST])
    result.assert_outcomes(**{"failed" if verdict == "REGRESSED" else "passed": 1}, deselected=3)
    assert len(told.orders) == 80 + trials
    result.stdout.fnmatch_lines([f"{TRIAL.replace('[', '[[]')}: {verdict}: * img/s is *"])
    (stored,) = json.loads((pytester.path / "out.json").read_text())["benchmarks"]
    info = stored["extra_info"]
    assert (info["gate_processes"], stored["stats"]["rounds"]) == (trials, 17 * trials)
    assert info["gate"]["verdict"] == verdict
    assert info["batch_size"] == 16


def test_trials_that_are_repeated_begin_anew(run_suite: SuiteRunner, told: Told) -> None:
    run_suite("--gate-update", *ALONE, "--checkpoint=saved", tests=[TRIAL_TEST])
    assert told.orders[0].checkpoint == Path("saved") / "trial_fp32_bs16_1"
    assert {order.checkpoint for order in told.orders[1:]} == {None}


def test_trial_with_another_recipe_is_not_compared(run_suite: SuiteRunner, told: Told) -> None:
    run_suite("--gate-update", *ALONE, tests=[TRIAL_TEST])
    result = run_suite("--gate", *ALONE, "--base-learning-rate=3", tests=[TRIAL_TEST])
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["INCOMPATIBLE: base learning rate of the recipe: 3* here, * in base.json: *"])
    assert len(told.orders) == 81


def test_trial_on_other_images_is_not_compared(
    run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    location = tmp_path / "imagenet"
    location.mkdir()
    write_train_split(location, [16])
    tell_trainings(monkeypatch, tell_trial)
    arguments = (*ALONE, f"--data-location={location}")
    run_suite("--gate-update", *arguments, tests=[TRIAL_TEST]).assert_outcomes(passed=1, deselected=3)
    write_train_split(location, [17])
    result = run_suite("--gate", *arguments, tests=[TRIAL_TEST])
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["INCOMPATIBLE: training images: * here, * in base.json: *"])


def converge(monkeypatch: pytest.MonkeyPatch, pace: Callable[[int], float]) -> None:
    """Tell runs to the target; `pace` says by a run's seed how long it takes."""
    tell_trainings(monkeypatch, lambda order: tell_convergence(order, [0.98], pace_s=pace(order.recipe.seed)))


@pytest.mark.parametrize(("slower", "verdict"), [(1.0, "PASS"), (1.5, "REGRESSED"), (0.5, "IMPROVED")])
def test_times_to_the_target_are_judged(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, slower: float, verdict: str
) -> None:
    arguments = ("-m", "fp32", "--mlperf-runs=5", *GIVEN)
    converge(monkeypatch, lambda seed: 1 + seed / 500)
    run_suite("--gate-update", *arguments, tests=[TARGET_TEST]).assert_outcomes(passed=1, deselected=1)
    (entry,) = read_run(pytester.path / "base.json").values()
    assert (entry.test, entry.metric, entry.batch_size) == (TARGET, Metric.TIME_TO_TARGET_S, 0)
    assert [sample.steps_s for sample in entry.samples] == [(60 * (1 + seed / 500),) for seed in range(1, 6)]
    converge(monkeypatch, lambda seed: slower * (1 + seed / 500))
    result = run_suite("--gate", *arguments, tests=[TARGET_TEST])
    result.assert_outcomes(**{"failed" if verdict == "REGRESSED" else "passed": 1}, deselected=1)
    result.stdout.fnmatch_lines([f"{TARGET.replace('[', '[[]')}: {verdict}: * (allowed 10 %; *5 and 5 trainings*"])


def test_target_that_the_baseline_does_not_have_is_not_trained_for(run_suite: SuiteRunner, told: Told) -> None:
    run_suite("--gate-update", *ALONE, tests=[TRIAL_TEST])
    told.orders.clear()
    result = run_suite("--gate", "-m", "fp32", *GIVEN, tests=[TARGET_TEST])
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["NO_BASELINE: has no baseline in base.json: run with --gate-update"])
    assert told.orders == []


def test_time_to_the_target_of_other_images_is_not_compared(
    run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, write_validation: SplitWriter
) -> None:
    location = write_validation([1, 2])
    write_train_split(location, [4])
    converge(monkeypatch, lambda seed: 1 + seed / 500)
    arguments = ("-m", "fp32", "--mlperf-runs=5", f"--data-location={location}", "--batch-size=4", *GIVEN)
    run_suite("--gate-update", *arguments, tests=[TARGET_TEST]).assert_outcomes(passed=1, deselected=1)
    write_validation([1, 2, 3, 4])
    result = run_suite("--gate", *arguments, tests=[TARGET_TEST])
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["INCOMPATIBLE: validation images: * here, * in base.json: *"])


def test_few_runs_decide_nothing(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    converge(monkeypatch, lambda seed: 1.0)
    run_suite("--gate-update", "-m", "fp32", *GIVEN, tests=[TARGET_TEST])
    result = run_suite("--gate", "-m", "fp32", *GIVEN, tests=[TARGET_TEST])
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["INCONCLUSIVE: 1 and 1 trainings are too few, 3 are needed *: run with --mlperf-runs 5"]
    )


def test_run_that_misses_the_target_is_not_written(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_trainings(monkeypatch, lambda order: tell_convergence(order, [0.5]))
    result = run_suite("--gate-update", "-m", "fp32", *GIVEN, tests=[TARGET_TEST])
    result.assert_outcomes(failed=1, deselected=1)
    assert not (pytester.path / "base.json").exists()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
