"""tests/training's trials: what is measured, logged, printed and stored."""

from __future__ import annotations

import json
import statistics
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.errors import RunError
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.timed_training import describe_cut_trial, measure_steps, name_data, share_of_step
from resnet_fixtures.training.digits import DIGITS_RECIPE
from resnet_fixtures.training.events import Begun, Step
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.recipe import Recipe
from resnet_fixtures.training.record import TrainingRecord
from resnet_fixtures.training_orders import MIN_TRIAL_STEPS, TRIAL_STEPS
from resnet_fixtures.training_runs import FinishedTraining
from tests.plugin.conftest import TESTS
from tests.plugin.told_trainings import UNTIMED, pretend_mpirun, step_s, tell_trainings, tell_trial, train_really

if TYPE_CHECKING:
    from tests.plugin.conftest import SuiteRunner

TRIAL_TEST = TESTS / "training" / "test_trial.py"
ALONE = ("-m", "fp32 and not distributed")
NEEDS_TWO_CORES = pytest.mark.skipif(len(read_topology().physical) < 2, reason="needs 2 cores")
DOCUMENTED = {
    "precision", "batch_size", "processes", "data", "recipe", "thread_plan", "rank_threads", "isa", "emulated",
    "versions", "machine", "log", "mode", "loss_first", "loss_last", "input_share", "communication_share",
    "images_per_s", "latency_median_s", "warmup_steps", "warmup_s", "steps",
}  # fmt: skip


def read_benchmark(path: Path) -> dict[str, Any]:
    (result,) = json.loads(path.read_text())["benchmarks"]
    return dict(result)


def test_times_are_the_workers_own(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_trainings(monkeypatch, tell_trial)
    result = run_suite(
        *ALONE, "--train-steps=40", "--benchmark-json=out.json", "--benchmark-save-data", "--junit-xml=junit.xml",
        "--output-dir=out", tests=[TRIAL_TEST],
    )  # fmt: skip
    result.assert_outcomes(passed=1, deselected=3)
    stored = read_benchmark(pytester.path / "out.json")
    assert stored["name"] == "test_training_trial[fp32-bs16]"
    assert stored["group"] == "training-fp32-bs16"
    assert stored["stats"]["data"] == [step_s(number) for number in range(5, 41)]  # a tenth are warm-ups
    info = stored["extra_info"]
    assert set(info) >= DOCUMENTED
    assert not {"cut", "checkpoint", "train_digest", "validation_digest"} & set(info)
    assert (info["mode"], info["data"], info["processes"], info["batch_size"]) == ("training", "dummy", 1, 16)
    assert (info["warmup_steps"], info["steps"]) == (4, 36)
    assert info["warmup_s"] == [step_s(number) for number in range(1, 5)]
    median_s = statistics.median(step_s(number) for number in range(5, 41))
    assert info["latency_median_s"] == pytest.approx(median_s)
    assert info["images_per_s"] == pytest.approx(16 / median_s)
    assert (info["input_share"], info["communication_share"]) == (0.25, 0.125)
    assert (info["loss_first"], info["loss_last"]) == (7 - 5.5 / 16, 7 - 35.5 / 16)
    assert info["recipe"] == json.loads(json.dumps(Recipe(batch_size=16).as_dict()))
    (file,) = (pytester.path / "out").glob("*.json")
    stored = json.loads(file.read_text())
    assert stored.pop("created")
    assert stored == info
    assert Path(info["log"]).with_suffix(".json").name == file.name
    junit = (pytester.path / "junit.xml").read_text()
    assert f'<property name="images_per_s" value="{info["images_per_s"]}"' in junit
    assert f'<property name="loss_last" value="{info["loss_last"]}"' in junit
    result.stdout.fnmatch_lines(
        [
            "*ResNet-50 v1.5 training*",
            "fp32 bs16, 1 process: * images/s [[]*[]], median * ms [[]*[]], * 36 steps after 4 warm-ups",
            "    Loss 6.6562 at first, 4.7812 at last (medians of a quarter); of a step, 25.0% is input and 12.5% *.",
        ]
    )


@NEEDS_TWO_CORES
def test_throughput_counts_the_images_of_all_processes(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_mpirun(monkeypatch)
    told = tell_trainings(monkeypatch, tell_trial)
    result = run_suite("-m", "bf16 and distributed", "--batch-size=8", "--benchmark-json=out.json", tests=[TRIAL_TEST])
    result.assert_outcomes(passed=1, deselected=3)
    info = read_benchmark(pytester.path / "out.json")["extra_info"]
    assert (info["processes"], info["batch_size"]) == (2, 8)
    assert info["images_per_s"] == pytest.approx(2 * 8 / info["latency_median_s"])
    assert info["rank_threads"] == told.orders[0].threads
    assert told.orders[0].recipe.ranks == 2
    result.stdout.fnmatch_lines(["bf16 bs8, 2 processes: * images/s *"])


def test_distributed_option_leaves_the_trial_of_one_process_alone(
    run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_mpirun(monkeypatch)
    told = tell_trainings(monkeypatch, tell_trial)
    run_suite(*ALONE, "--mpi-num-processes=2", tests=[TRIAL_TEST]).assert_outcomes(passed=1, deselected=3)
    assert told.orders[0].recipe.ranks == 1


def test_each_batch_size_is_a_trial(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tell_trainings(monkeypatch, tell_trial)
    result = run_suite(*ALONE, "--batch-size=4,8", tests=[TRIAL_TEST])
    result.assert_outcomes(passed=2, deselected=6)
    assert [order.recipe.batch_size for order in told.orders] == [4, 8]


def test_time_that_ends_is_said(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_trainings(monkeypatch, partial(tell_trial, done=13))
    result = run_suite(*ALONE, "--max-time=7.5", "--benchmark-json=out.json", tests=[TRIAL_TEST])
    result.assert_outcomes(passed=1, deselected=3)
    cut = f"--max-time 7.5 s cut the steps from {TRIAL_STEPS} to 13: raise it, or pass --train-steps, to run them all."
    result.stdout.fnmatch_lines([f"    {cut}"])
    assert read_benchmark(pytester.path / "out.json")["extra_info"]["cut"] == cut


def test_loss_that_does_not_fall_fails(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_trainings(monkeypatch, partial(tell_trial, loss=lambda number: 2.0 + (number % 5 == 0)))
    result = run_suite(*ALONE, "--train-steps=20", tests=[TRIAL_TEST])
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*The loss did not fall: median 2.0000 of the first 5 steps, 2.0000 of the last.*"])


def test_trial_that_was_done_before_is_not_timed(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_trainings(monkeypatch, partial(tell_trial, begin=18))
    result = run_suite(*ALONE, *UNTIMED, "--train-steps=20", tests=[TRIAL_TEST])
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(
        ["The trial had 2 steps to do, and 12 are needed to time it: pass a larger --train-steps, or a --checkpoint *"]
    )
    assert "Traceback" not in result.stdout.str()


@pytest.mark.usefixtures("warm_children")
def test_real_trial_learns(pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's process, for once, on a network that takes no time."""
    tiny = partial(Recipe, architecture=Architecture(4, 11, 32))
    tell_trainings(monkeypatch, tell_trial)
    train_really(monkeypatch)
    monkeypatch.setattr("resnet_fixtures.training_orders.Recipe", tiny)
    result = run_suite(
        *ALONE, "--train-steps=48", "--base-learning-rate=1", "--warmup-epochs=1", "--log-every=16",
        "--checkpoint=saved", "--tensorboard=board", "--output-dir=out", tests=[TRIAL_TEST],
    )  # fmt: skip
    result.assert_outcomes(passed=1, deselected=3)
    (file,) = (pytester.path / "out").glob("*.json")
    fields = json.loads(file.read_text())
    assert fields["loss_last"] < fields["loss_first"]
    assert (fields["steps"], fields["warmup_steps"]) == (44, 4)
    assert Path(fields["checkpoint"]) == Path("saved/trial_fp32_bs16_1/step-0000000048.safetensors")
    assert (pytester.path / fields["checkpoint"]).exists()
    assert list((pytester.path / "board" / "trial_fp32_bs16_1").glob("events*"))
    log = (pytester.path / fields["log"]).read_text()
    assert [line.split(" (")[0].rpartition(" ")[2] for line in log.splitlines()[:3]] == ["0", "16", "32"]

    again = run_suite(
        *ALONE, *UNTIMED, "--train-steps=48", "--base-learning-rate=1", "--warmup-epochs=1", "--checkpoint=saved",
        tests=[TRIAL_TEST],
    )  # fmt: skip
    again.stdout.fnmatch_lines(["The trial had 0 steps to do, and 12 are needed to time it: *"])


def finish(steps: int, *, begin: int = 0, max_time_s: float | None = None) -> FinishedTraining:
    record = TrainingRecord()
    record.add(Begun(begin, 30, 8, 9))
    for number in range(begin + 1, begin + steps + 1):
        record.add(Step(number, 1.0, 0.1, step_s(number), 0.0, 0.0))
    order = Order(Recipe(batch_size=4, ranks=2), 1, 1, train_steps=30, max_time_s=max_time_s)
    return FinishedTraining(order, record, Path("log"))


@pytest.mark.parametrize(("steps", "warmups"), [(12, 3), (30, 3), (39, 3), (40, 4), (100, 10)])
def test_warm_ups_are_a_tenth_but_three_at_least(steps: int, warmups: int) -> None:
    measurement = measure_steps(finish(steps, max_time_s=1.0))
    assert (len(measurement.warmup_s), len(measurement.steps_s)) == (warmups, steps - warmups)
    assert measurement.steps_s[0] == step_s(warmups + 1)
    assert measurement.batch_size == 8


def test_too_few_steps_are_not_timed() -> None:
    message = rf"^The trial had 11 steps to do, and {MIN_TRIAL_STEPS} are needed to time it: pass a larger"
    with pytest.raises(RunError, match=message):
        measure_steps(finish(11))


def test_resumed_steps_are_not_cut_ones() -> None:
    assert describe_cut_trial(finish(18, begin=12, max_time_s=1.0)) is None
    assert describe_cut_trial(finish(30)) is None
    cut = describe_cut_trial(finish(15, begin=12, max_time_s=1.0))
    assert cut is not None
    assert cut.startswith("--max-time 1 s cut the steps from 30 to ")


def test_share_is_the_median_step_s() -> None:
    steps = [Step(number, 1.0, 0.1, 2.0, 0.0, 0.0) for number in range(3)]
    assert share_of_step([0.2, 0.4, 2.0], steps) == 0.2


@pytest.mark.parametrize(
    ("order", "name"),
    [
        (Order(Recipe(), 1, 1), "dummy"),
        (Order(Recipe(), 1, 1, data_location=Path("x")), "imagenet"),
        (Order(DIGITS_RECIPE, 1, 1, data_location=Path("x")), "digits"),
    ],
)
def test_data_are_named(order: Order, name: str) -> None:
    assert name_data(order) == name
