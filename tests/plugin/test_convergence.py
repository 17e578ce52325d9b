"""tests/training's runs to the target: what they reach, MLPerf's log and score, and the frozen graph."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.convergence import FROZEN_TOLERANCE, Convergence
from resnet_fixtures.data.location import find_split
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.mlperf.time_to_train import Score
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.digits import DIGITS_RECIPE
from resnet_fixtures.training.events import Ended, Evaluated
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.record import TrainingRecord
from resnet_fixtures.training_runs import FinishedTraining
from tests.plugin.conftest import TESTS
from tests.plugin.told_trainings import START_S, tell_convergence, tell_trainings, train_really
from tests.plugin.training.train_split import write_train_split

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resnet_fixtures.training.events import Event
    from tests.plugin.conftest import SplitWriter, SuiteRunner

TARGET_TEST = TESTS / "training" / "test_convergence.py"
FP32 = ("-m", "fp32", "--output-dir=out")
IMAGENET = (1281167, 50000)
DOCUMENTED = {
    "precision", "batch_size", "processes", "data", "recipe", "thread_plan", "rank_threads", "isa", "emulated",
    "versions", "machine", "log", "mode", "target", "reached", "top1", "correct1", "correct5", "images", "epochs",
    "curves", "seconds", "time_to_train_s", "time_to_train_reason", "train_digest", "validation_digest",
}  # fmt: skip


def read_json(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("*training*.json")
    result: dict[str, Any] = json.loads(file.read_text())
    return result


def check(log: Path) -> subprocess.CompletedProcess[str]:
    """Ask MLPerf's checker, as docs/mlperf.md says."""
    pytest.importorskip("mlperf_logging")
    command = ("-m", "mlperf_logging.compliance_checker", "--usage", "training", "--ruleset", "4.0.0", log.name)
    return subprocess.run(
        [sys.executable, *command], cwd=log.parent, capture_output=True, text=True, check=False, timeout=60
    )


def test_digits_to_their_target(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tell_trainings(monkeypatch, partial(tell_convergence, top1s=[0.5, 0.969, 0.975, 0.98]))
    result = run_suite(*FP32, "--junit-xml=junit.xml", tests=[TARGET_TEST])
    result.assert_outcomes(passed=1, deselected=1)
    fields = read_json(pytester.path / "out")
    assert set(fields) >= DOCUMENTED
    assert "checkpoint" not in fields
    assert (fields["mode"], fields["data"], fields["precision"]) == ("convergence", "digits", "fp32")
    assert (fields["target"], fields["reached"], fields["epochs"]) == (0.97, True, 3)
    assert (fields["top1"], fields["correct1"], fields["correct5"], fields["images"]) == (0.975, 975, 1000, 1000)
    assert fields["curves"] == [[0.5, 0.969, 0.975]]
    assert fields["seconds"] == [60.0]
    assert fields["time_to_train_reason"] == "The time of one run; MLPerf scores 5."
    assert fields["frozen_top1"] is None
    assert fields["recipe"] == json.loads(json.dumps(DIGITS_RECIPE.as_dict()))
    (order,) = told.orders
    assert order.data_location is not None
    for split in ("train", "validation"):
        assert fields[f"{split}_digest"] == find_split(order.data_location, split).digest()
    assert order.checkpoint is None
    junit = (pytester.path / "junit.xml").read_text()
    assert '<property name="reached" value="True"' in junit
    assert '<property name="epochs" value="3"' in junit
    result.stdout.fnmatch_lines(
        [
            "*ResNet-50 v1.5 training*",
            "fp32 bs64, 1 process on digits: top-1 0.9750 (975 of 1000) after 3 epochs, the target of 0.97 is reached",
            f"    Time to train {fields['time_to_train_s']:.1f} s. The time of one run; MLPerf scores 5.",
        ]
    )


def test_log_has_the_evaluations_and_mlperf_s_stands_beside_it(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_trainings(monkeypatch, partial(tell_convergence, top1s=[0.5, 0.975]))
    run_suite(*FP32, tests=[TARGET_TEST]).assert_outcomes(passed=1, deselected=1)
    log = Path(read_json(pytester.path / "out")["log"])
    assert (pytester.path / log).read_text().splitlines() == [
        "Processed 1000 images. (Top1 accuracy, Top5 accuracy) = (0.5000, 0.5500)",
        "Processed 1000 images. (Top1 accuracy, Top5 accuracy) = (0.9750, 1.0000)",
        f"Log file location: {log}",
    ]
    lines = (pytester.path / log).with_suffix(".mlperf.log").read_text().splitlines()
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines]
    assert (entries[0]["key"], entries[0]["time_ms"]) == ("cache_clear", START_S * 1000)
    assert (entries[-1]["key"], entries[-1]["metadata"]["status"]) == ("run_stop", "success")


def test_run_that_misses_the_target_fails_with_its_curve(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_trainings(monkeypatch, partial(tell_convergence, top1s=[0.5, 0.9, 0.969]))
    result = run_suite(*FP32, "-vv", tests=[TARGET_TEST])
    result.assert_outcomes(failed=1, deselected=1)
    assert "Begun(" not in result.stdout.str()  # each step of a long run would follow
    result.stdout.fnmatch_lines_random(
        [
            "*Top-1 0.97 was not reached: epoch 1: 0.5000, epoch 2: 0.9000, epoch 3: 0.9690.*",
            "fp32 bs64, 1 process on digits: top-1 0.9690 * after 3 epochs, the target of 0.97 is missed",
            "    No time to train: The run did not reach the target.",
        ]
    )
    assert read_json(pytester.path / "out")["reached"] is False


def test_five_runs_have_five_seeds_and_mlperf_s_score(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def story(order: Order) -> Iterable[Event]:
        return tell_convergence(order, [0.98], pace_s=float(order.recipe.seed))  # the second run takes twice as long

    told = tell_trainings(monkeypatch, story)
    result = run_suite(*FP32, "--mlperf-runs=5", "--checkpoint=saved", tests=[TARGET_TEST])
    result.assert_outcomes(passed=1, deselected=1)
    assert [order.recipe.seed for order in told.orders] == [1, 2, 3, 4, 5]
    folders = ["convergence_fp32", *(f"convergence_fp32_{number}" for number in (2, 3, 4, 5))]
    assert [order.checkpoint for order in told.orders] == [Path("saved") / folder for folder in folders]
    logs = list((pytester.path / "out").glob("*.mlperf.log"))
    assert len(logs) == 5
    fields = read_json(pytester.path / "out")
    assert fields["curves"] == [[0.98]] * 5
    assert fields["seconds"] == [60.0, 120.0, 180.0, 240.0, 300.0]
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in sorted(logs)[0].read_text().splitlines()]
    times_ms = {entry["key"]: entry["time_ms"] for entry in entries}
    ticks = (times_ms["run_stop"] - times_ms["run_start"]) / 1000 / entries_seed(entries)
    assert fields["time_to_train_s"] == pytest.approx(3 * ticks)
    result.stdout.fnmatch_lines(
        ["    Time to train * s. The mean of 3 runs of 5, without the fastest and the slowest."]
    )


def entries_seed(entries: list[dict[str, Any]]) -> int:
    (seed,) = (entry["value"] for entry in entries if entry["key"] == "seed")
    return int(seed)


def test_one_run_of_five_that_misses_fails_the_test_but_not_the_score(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_trainings(monkeypatch, lambda order: tell_convergence(order, [0.98 if order.recipe.seed != 3 else 0.5]))
    result = run_suite(*FP32, "--mlperf-runs=5", tests=[TARGET_TEST])
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["*Top-1 0.97 was not reached: epoch 1: 0.9800; epoch 1: 0.9800; epoch 1: 0.5000; epoch 1: 0.9800; *"]
    )
    fields = read_json(pytester.path / "out")
    assert fields["reached"] is False
    assert fields["time_to_train_s"] is not None


def test_log_of_a_long_run_on_imagenet_passes_mlperf_s_checker(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, write_validation: SplitWriter
) -> None:
    location = write_validation([1, 2])
    write_train_split(location, [4])
    curve = [0.3, 0.5, 0.6, 0.7, 0.74, 0.755, 0.7593]
    told = tell_trainings(monkeypatch, partial(tell_convergence, top1s=curve, images=IMAGENET))
    result = run_suite(
        *FP32, f"--data-location={location}", "--batch-size=4", "--base-learning-rate=64",  # ends at 0.0001
        "--epochs-between-evals=4", tests=[TARGET_TEST],
    )  # fmt: skip
    result.assert_outcomes(passed=1, deselected=1)
    assert told.orders[0].stop_threshold == 0.759
    assert told.orders[0].data_location == location
    fields = read_json(pytester.path / "out")
    assert (fields["data"], fields["epochs"], fields["target"]) == ("imagenet", 28, 0.759)
    (log,) = (pytester.path / "out").glob("*.mlperf.log")
    checked = check(log)
    assert checked.returncode == 0, checked.stderr
    assert "SUCCESS" in checked.stderr
    log.write_text(log.read_text().replace("0.7593", "0.7589"))
    assert check(log).returncode != 0


@pytest.fixture
def tiny_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the digits on a network that takes no time."""
    architecture = Architecture(4, 11, 32)
    recipe = replace(DIGITS_RECIPE, architecture=architecture, warmup_epochs=0.0)
    monkeypatch.setattr("resnet_fixtures.training_orders.DIGITS_RECIPE", recipe)
    monkeypatch.setattr("resnet_fixtures.timed_training.DIGITS_ARCHITECTURE", architecture)


@pytest.mark.usefixtures("warm_children")
def test_real_run_is_frozen_and_scored_and_a_finished_one_trains_no_more(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, tiny_digits: None
) -> None:
    told = tell_trainings(monkeypatch, lambda order: ())
    train_really(monkeypatch)
    options = (*FP32, "--train-epochs=1", "--stop-threshold=0.05", "--checkpoint=saved", "--eval")
    result = run_suite(*options, "--junit-xml=junit.xml", tests=[TARGET_TEST])
    result.assert_outcomes(passed=1, deselected=1)
    assert told.orders == []
    fields = read_json(pytester.path / "out")
    assert (fields["data"], fields["images"]) == ("digits", 360)
    assert fields["checkpoint"].startswith("saved/convergence_fp32/step-")
    assert fields["frozen_top1"] == pytest.approx(max(fields["curves"][0]), abs=FROZEN_TOLERANCE)
    graph = load_frozen_graph((pytester.path / fields["log"]).with_suffix(".pb"), Precision.FP32)
    assert (graph.classes, graph.image_size) == (11, 32)
    result.stdout.fnmatch_lines(
        [
            f"fp32 bs64, 1 process on digits: top-1 {fields['top1']:.4f} * the target of 0.05 is reached",
            f"    The frozen graph scores top-1 {fields['frozen_top1']:.4f}.",
        ]
    )
    again = run_suite("-m", "fp32", "--output-dir=again", *options[3:], tests=[TARGET_TEST])
    again.assert_outcomes(passed=1, deselected=1)
    repeated = read_json(pytester.path / "again")
    same = ("curves", "top1", "epochs", "time_to_train_s", "frozen_top1")
    assert [repeated[name] for name in same] == [fields[name] for name in same]
    assert "loss =" not in (pytester.path / repeated["log"]).read_text()


def converge(top1s: list[float], target: float, frozen_top1: float | None) -> Convergence:
    record = TrainingRecord()
    for epoch, top1 in enumerate(top1s, start=1):
        record.add(Evaluated(epoch, epoch, round(top1 * 1000), 1000, 1000, 0.1))
    record.add(Ended(len(top1s), 9.0, reached=top1s[-1] >= target))
    run = FinishedTraining(Order(DIGITS_RECIPE, 1, 1), record, Path("log"))
    return Convergence((run,), target, Score(None, "none"), frozen_top1)


@pytest.mark.parametrize(
    ("top1s", "frozen", "is_alike"),
    [
        ([0.5, 0.98], None, True),
        ([0.5, 0.98], 0.98, True),
        ([0.5, 0.98], 0.971, True),
        ([0.5, 0.98], 0.969, False),
        ([0.5, 0.98], 0.991, False),
        ([0.98, 0.5], 0.98, True),  # the best is frozen, not the last
        ([0.98, 0.5], 0.5, False),
    ],
)
def test_frozen_graph_is_compared_with_the_best(top1s: list[float], frozen: float | None, is_alike: bool) -> None:
    assert converge(top1s, 0.97, frozen).is_frozen_alike is is_alike


def test_sentence_has_curve_and_frozen_score() -> None:
    assert converge([0.5, 0.98], 0.97, None).sentence == "Top-1 0.97 was reached: epoch 1: 0.5000, epoch 2: 0.9800."
    assert converge([0.5], 0.97, 0.4).sentence == (
        "Top-1 0.97 was not reached: epoch 1: 0.5000. The frozen graph scores 0.4000."
    )


def test_training_without_an_end_has_reached_nothing() -> None:
    convergence = converge([0.98], 0.97, None)
    assert convergence.has_reached
    convergence.runs[0].record.ended = None
    assert not convergence.has_reached


def test_training_beyond_its_last_epoch_is_told(
    pytester: pytest.Pytester, run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_trainings(monkeypatch, partial(tell_convergence, top1s=[]))
    result = run_suite(*FP32, tests=[TARGET_TEST])
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*went on from a checkpoint beyond its last epoch and evaluated nothing: *"])
