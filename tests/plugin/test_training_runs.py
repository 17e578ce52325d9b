"""Trainings as the terminal and the log show them, told instead of run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.live import LiveBar
from resnet_fixtures.report.seed_log import SeedLog
from resnet_fixtures.training.events import Begun, Ended, Evaluated, Saved, Step
from resnet_fixtures.training_runs import LossLines, follow, show_training
from tests.plugin.conftest import TESTS
from tests.plugin.told_trainings import MPIRUN, UNTIMED, pretend_mpirun, step_s, tell_trainings, tell_trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet_fixtures.training.events import Event
    from resnet_fixtures.training.order import Order
    from tests.plugin.conftest import SuiteRunner

TRIAL_TEST = TESTS / "training" / "test_trial.py"
TRIAL = ("-m", "fp32 and not distributed", "--train-steps=25", "--log-every=10", "--output-dir=out")
NEEDS_TWO_CORES = pytest.mark.skipif(len(read_topology().physical) < 2, reason="needs 2 cores")


def lines_of(pytester: pytest.Pytester) -> list[str]:
    (log,) = (pytester.path / "out").glob("benchmark_resnet50v1_5_training_fp32_*[0-9].log")
    return log.read_text().splitlines()


def make_loss_line(step: int, since: int | None = None) -> str:
    seconds = "" if since is None else f" ({sum(step_s(number) for number in range(since + 2, step + 2)):.3f} sec)"
    return f"loss = {7 - (step + 1) / 16:.6f}, step = {step}{seconds}"


LOSSES = [make_loss_line(0), make_loss_line(10, 0), make_loss_line(20, 10)]


def test_log_has_the_first_loss_and_every_tenth_behind_it(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_trainings(monkeypatch, tell_trial)
    run_suite(*TRIAL, tests=[TRIAL_TEST]).assert_outcomes(passed=1, deselected=3)
    (log,) = (pytester.path / "out").glob("*.log")
    assert lines_of(pytester) == [*LOSSES, f"Log file location: out/{log.name}"]


@pytest.mark.parametrize("flag", ["-v", "-q"])
def test_losses_are_shown_live_with_v_alone(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    tell_trainings(monkeypatch, tell_trial)
    result = run_suite(*TRIAL, flag, tests=[TRIAL_TEST])
    shown = [line for line in result.outlines if line.startswith("loss = ")]
    assert shown == (LOSSES if flag == "-v" else [])


@NEEDS_TWO_CORES
@pytest.mark.parametrize("flag", ["-v", "-q"])
def test_mpirun_s_arguments_are_shown_with_v_alone(
    run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    pretend_mpirun(monkeypatch)
    told = tell_trainings(monkeypatch, tell_trial)
    result = run_suite("-m", "fp32 and distributed", "--mpi-num-processes=2", flag, tests=[TRIAL_TEST])
    result.assert_outcomes(passed=1, deselected=3)
    shown = [line for line in result.outlines if MPIRUN.path in line]
    assert shown == ([f"resnet_fixtures: {told.launches[0].describe()}"] if flag == "-v" else [])
    assert "-n 2 " in told.launches[0].describe()


def test_one_process_needs_no_mpirun(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("resnet_fixtures.training_runs.find_mpirun", None)
    told = tell_trainings(monkeypatch, tell_trial)
    run_suite(*TRIAL, tests=[TRIAL_TEST]).assert_outcomes(passed=1, deselected=3)
    assert "mpirun" not in told.launches[0].describe()


def fails(result: pytest.RunResult, sentence: str) -> None:
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines([sentence])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    "error",
    [
        RunError("Rank 1 on there was ended by signal SIGKILL: out of memory?"),
        InputError("/images/train-00000-of-00001: record 3 is damaged: copy that file again."),
    ],
)
def test_training_that_ends_early_is_one_sentence(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def die(order: Order) -> Iterator[Event]:
        yield from list(tell_trial(order))[:12]
        raise error

    tell_trainings(monkeypatch, die)
    fails(run_suite(*TRIAL, *UNTIMED, tests=[TRIAL_TEST]), str(error))
    assert lines_of(pytester) == LOSSES[:2]
    assert not list((pytester.path / "out").glob("*.json"))


def test_training_that_never_says_that_it_ended_fails(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_trainings(monkeypatch, lambda order: list(tell_trial(order))[:-1])
    fails(
        run_suite(*TRIAL, *UNTIMED, tests=[TRIAL_TEST]),
        "The training of fp32 training, 1 x 16 images ended without saying so: see its log out/benchmark_*.log.",
    )


def test_every_listener_hears_every_event() -> None:
    first: list[Event] = []
    second: list[Event] = []
    events: list[Event] = [Begun(0, 1, 1, 9), Ended(1, 1.0, reached=False)]
    follow(iter(events), (event.append for event in (first, second)))
    assert first == second == events


def make_step(number: int, seconds: float = 0.5) -> Step:
    return Step(number, 7.0 - number, 0.1, seconds, 0.0, 0.0)


@pytest.mark.parametrize("log_every", [1, 3])
def test_resumed_run_logs_its_first_loss_too(tmp_path: Path, log_every: int) -> None:
    with SeedLog((tmp_path / "log").open("w", buffering=1)) as log:
        lines = LossLines(log, log_every)
        for event in (make_step(5), Saved("x", 5), make_step(6), Evaluated(2, 6, 30, 45, 50, 0.1), make_step(7)):
            lines.update(event)
    written = (tmp_path / "log").read_text().splitlines()
    first = ["loss = 2.000000, step = 4"]
    evaluation = "Processed 50 images. (Top1 accuracy, Top5 accuracy) = (0.6000, 0.9000)"
    last = {1: "loss = 0.000000, step = 6 (0.500 sec)", 3: "loss = 0.000000, step = 6 (1.000 sec)"}[log_every]
    between = ["loss = 1.000000, step = 5 (0.500 sec)"] if log_every == 1 else []
    assert written == [*first, *between, evaluation, last]


def test_progress_bar_counts_from_where_a_resumed_run_begins(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pytester.parseconfig()
    with LiveBar(config, "fp32 training", "steps") as bar:
        show = show_training(bar)
        bar._bar.mininterval = bar._bar.delay = 0.0
        for event in (Begun(40, 100, 10, 9), Evaluated(4, 40, 9, 10, 10, 0.1), make_step(41), make_step(42)):
            show(event)
        shown = str(bar._bar)
    assert "fp32 training" in shown
    assert "42/100" in shown
    assert "loss=-35.0000" in shown
    assert "top-1=0.9000" in shown
