from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.mlperf.training_log import (
    MARK,
    Submission,
    TrainingLog,
    format_entry,
    format_log,
    hyperparameters,
)
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from resnet_fixtures.mlperf.entry import Entry
    from resnet_fixtures.training.order import Order
    from tests.plugin.mlperf.conftest import Play

IMAGENET = (1281167, 50000)
CURVE = (0.4, 0.7, 0.7591)
REQUIRED = (
    "submission_org",
    "submission_platform",
    "submission_division",
    "submission_status",
    "submission_benchmark",
    "cache_clear",
    "init_start",
    "init_stop",
    "run_start",
    "run_stop",
    "train_samples",
    "eval_samples",
    "eval_accuracy",
    "global_batch_size",
    "gradient_accumulation_steps",
    "opt_name",
    "sgd_opt_base_learning_rate",
    "sgd_opt_end_learning_rate",
    "sgd_opt_learning_rate_decay_poly_power",
    "sgd_opt_learning_rate_decay_steps",
    "sgd_opt_weight_decay",
    "sgd_opt_momentum",
    "model_bn_span",
    "opt_learning_rate_warmup_epochs",
)


def with_recipe(order: Order, **changes: Any) -> Order:
    return replace(order, recipe=replace(order.recipe, **changes))


@pytest.fixture
def complaints(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Callable[[Iterable[Entry]], str]:
    """Ask MLPerf's checker what is wrong with a log; nothing is wrong where the answer is empty."""
    mlp_compliance = pytest.importorskip("mlperf_logging.compliance_checker.mlp_compliance")

    def ask(entries: Iterable[Entry]) -> str:
        file = tmp_path / "result_0.txt"
        file.write_text(format_log(entries))
        checker = mlp_compliance.make_checker("training", "4.0.0", quiet=False, werror=True)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            is_valid = mlp_compliance.main(str(file), "training_4.0.0/common.yaml", checker)[0]
        assert is_valid == (not caplog.text)
        return caplog.text

    return ask


def keys(entries: Iterable[Entry]) -> list[str]:
    return [entry["key"] for entry in entries]


def values(log: TrainingLog) -> dict[str, Any]:
    return {entry["key"]: entry["value"] for entry in log.entries}


def test_checker_passes_a_run_that_meets_the_rules(
    log: TrainingLog, play: Play, complaints: Callable[[Iterable[Entry]], str]
) -> None:
    assert complaints(play(log, CURVE)) == ""


def test_checker_is_the_one_that_the_docs_name(log: TrainingLog, play: Play, tmp_path: Path) -> None:
    pytest.importorskip("mlperf_logging")
    file = tmp_path / "result_0.txt"
    file.write_text(f"another line\n{format_log(play(log, CURVE))}")
    command = "-m mlperf_logging.compliance_checker --usage training --ruleset 4.0.0 result_0.txt --werror"
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "SUCCESS" in done.stderr
    assert "closed_resnet_sgd.yaml" in done.stderr


@pytest.mark.parametrize("key", REQUIRED)
def test_checker_misses_each_line(
    key: str, log: TrainingLog, play: Play, complaints: Callable[[Iterable[Entry]], str]
) -> None:
    entries = [entry for entry in play(log, CURVE) if entry["key"] != key]
    assert key in complaints(entries)


@pytest.mark.parametrize(
    ("start", "stop"), [("epoch_start", "block_start"), ("epoch_stop", "block_stop"), ("eval_start", "block_start")]
)
def test_checker_misses_intervals(
    start: str, stop: str, log: TrainingLog, play: Play, complaints: Callable[[Iterable[Entry]], str]
) -> None:
    entries = [entry for entry in play(log, CURVE) if entry["key"] not in {start, stop}]
    assert start in complaints(entries)


def test_checker_refuses_a_run_below_the_target(
    log: TrainingLog, play: Play, complaints: Callable[[Iterable[Entry]], str]
) -> None:
    assert "Failed checks for eval_accuracy" in complaints(play(log, (0.4, 0.7589), is_success=False))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"batch_size": 128, "base_learning_rate": 0.128}, "sgd_opt_end_learning_rate"),  # the launcher's 4096
        ({"batch_size": 81}, "sgd_opt_base_learning_rate"),
        ({"weight_decay": 3e-4}, "sgd_opt_weight_decay"),
    ],
)
def test_checker_refuses_rates_that_the_rules_exclude(
    changes: dict[str, Any],
    rule: str,
    order: Order,
    play: Play,
    complaints: Callable[[Iterable[Entry]], str],
) -> None:
    assert rule in complaints(play(TrainingLog(with_recipe(order, **changes)), CURVE))


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 125, "ranks": 16, "base_learning_rate": 0.128},
        {"batch_size": 64, "ranks": 1, "base_learning_rate": 0.4, "drop_epochs": (4.0, 6.0, 7.0)},
    ],
)
def test_checker_passes_other_schedules_that_end_at_its_rate(
    changes: dict[str, Any], order: Order, play: Play, complaints: Callable[[Iterable[Entry]], str]
) -> None:
    assert complaints(play(TrainingLog(with_recipe(order, **changes)), CURVE)) == ""


def test_lines_are_those_of_the_library(log: TrainingLog) -> None:
    mllog = pytest.importorskip("mlperf_logging.mllog.mllog")
    log.epoch_started(1)
    lines = list[str]()
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.Logger("mllog")  # one that nobody else gets
    logger.addHandler(handler)
    entry = log.entries[-1]
    mllog.MLLogger(logger).start("epoch_start", None, metadata={"epoch_num": 1}, time_ms=entry["time_ms"])
    theirs = json.loads(lines[0].removeprefix(MARK))
    assert list(theirs) == list(entry)
    assert list(theirs["metadata"]) == list(entry["metadata"])
    theirs["metadata"] |= {name: entry["metadata"][name] for name in ("file", "lineno")}
    assert format_entry(entry) == f"{MARK}{json.dumps(theirs)}"


def test_keys_are_those_of_the_library(log: TrainingLog, play: Play) -> None:
    constants = pytest.importorskip("mlperf_logging.mllog.constants")
    known = {value for name, value in vars(constants).items() if name.isupper()}
    own = {key for key in keys(play(log, CURVE)) if key not in known and not key.startswith("sgd_opt_")}
    assert own == {"label_smoothing", "precision"}


def test_entry_names_the_line_that_made_it(log: TrainingLog) -> None:
    log.start_run()
    stop, start = (entry["metadata"] for entry in log.entries)
    assert stop["file"] == "resnet_fixtures/mlperf/training_log.py"
    assert start["lineno"] == stop["lineno"] + 1


def test_run_is_told_in_its_order(log: TrainingLog, play: Play) -> None:
    told = keys(play(log, (0.4, 0.76)))
    moments = [key for key in told if key.endswith(("start", "stop", "accuracy"))]
    epochs = ["epoch_start", "epoch_stop"] * 4
    block = ["block_start", *epochs, "block_stop", "eval_start", "eval_accuracy", "eval_stop"]
    assert moments == ["init_start", "init_stop", "run_start", *block, *block, "run_stop"]
    times = [entry["time_ms"] for entry in log.entries]
    assert times == sorted(set(times))


def test_each_entry_is_heard_once(order: Order, play: Play) -> None:
    heard = list[dict[str, Any]]()
    log = TrainingLog(order, heard.append)
    play(log, CURVE)
    play(log, CURVE)
    assert heard == list(log.entries)
    assert len(set(map(format_entry, heard))) == len(heard)


@pytest.mark.parametrize(
    ("train_epochs", "between", "blocks"),
    [(8, 4, [(1, 4), (5, 4)]), (6, 4, [(1, 4), (5, 2)]), (3, 1, [(1, 1), (2, 1), (3, 1)]), (3, 10, [(1, 3)])],
)
def test_blocks_lie_between_evaluations(
    train_epochs: int, between: int, blocks: list[tuple[int, int]], order: Order
) -> None:
    log = TrainingLog(replace(order, train_epochs=train_epochs, epochs_between_evals=between))
    for epoch in range(1, train_epochs + 1):
        log.epoch_started(epoch)
        log.epoch_ended(epoch)
        if epoch % between == 0 or epoch == train_epochs:
            log.evaluation_started(epoch)
            log.evaluation_ended(epoch, 0.5)
    metadata = {key: [one["metadata"] for one in log.entries if one["key"] == key] for key in keys(log.entries)}
    assert [(one["first_epoch_num"], one["epoch_count"]) for one in metadata["block_start"]] == blocks
    assert [one["first_epoch_num"] for one in metadata["block_stop"]] == [first for first, _ in blocks]
    assert [one["epoch_num"] for one in metadata["eval_accuracy"]] == [first + count - 1 for first, count in blocks]


def test_hyperparameters_are_those_of_the_recipe() -> None:
    recipe = Recipe(precision=Precision.BF16, batch_size=128, ranks=32, seed=7)
    steps_per_epoch = 1281167 // 4096
    assert hyperparameters(recipe, 1281167) == {
        "seed": 7,
        "global_batch_size": 4096,
        "gradient_accumulation_steps": 1,
        "opt_name": "sgd",
        "sgd_opt_base_learning_rate": 2.048,
        "sgd_opt_end_learning_rate": 0.0002048,
        "sgd_opt_learning_rate_decay_poly_power": None,
        "sgd_opt_learning_rate_decay_steps": 90 * steps_per_epoch,
        "sgd_opt_weight_decay": 1e-4,
        "sgd_opt_momentum": 0.9,
        "opt_learning_rate_warmup_epochs": 5.0,
        "opt_learning_rate_decay_boundary_epochs": [30.0, 60.0, 80.0, 90.0],
        "model_bn_span": 128,
        "label_smoothing": 0.0,
        "precision": "bf16",
    }


@pytest.mark.parametrize(
    ("changes", "steps", "end"),
    [
        ({"drop_epochs": ()}, 50, 0.008),
        ({"drop_epochs": (), "warmup_epochs": 0.0}, 0, 0.008),
        ({"drop_epochs": (2.5,), "warmup_epochs": 0.0}, 25, 0.0008),
    ],
)
def test_schedule_ends_behind_its_last_drop(changes: dict[str, Any], steps: int, end: float) -> None:
    told = hyperparameters(Recipe(batch_size=16, **changes), 160)
    assert told["sgd_opt_learning_rate_decay_steps"] == steps
    assert told["sgd_opt_end_learning_rate"] == end


def test_frozen_batch_norm_spans_no_images() -> None:
    assert hyperparameters(Recipe(freeze_batch_norm=True), 64)["model_bn_span"] == 0


def test_submission_is_told(log: TrainingLog) -> None:
    log.initialise(Submission("Acme", "two sockets", "open", "onprem", cache_clear=True))
    told = values(log)
    assert told["submission_org"] == "Acme"
    assert told["submission_platform"] == "two sockets"
    assert told["submission_division"] == "open"
    assert told["submission_status"] == "onprem"
    assert told["cache_clear"] is True


def test_unnamed_submission_claims_nothing(log: TrainingLog) -> None:
    log.initialise()
    assert values(log)["submission_org"] == "not a submission"
    assert values(log)["submission_status"] == "research"
    assert values(log)["cache_clear"] is False


def interrupt(log: TrainingLog) -> tuple[Entry, ...]:
    """Give the log of a run that was killed in epoch 6, as a checkpoint keeps it."""
    log.initialise()
    log.start_run()
    log.describe(*IMAGENET)
    for epoch in (1, 2, 3, 4):
        log.epoch_started(epoch)
        log.epoch_ended(epoch)
    log.evaluation_started(4)
    log.evaluation_ended(4, 0.4)
    log.epoch_started(5)
    log.epoch_ended(5)
    log.epoch_started(6)
    return tuple(json.loads(json.dumps(log.entries)))


def go_on(order: Order, earlier: tuple[Entry, ...]) -> TrainingLog:
    """Resume an hour later, making all the calls that a fresh run makes."""
    log = TrainingLog(order, clock=lambda: earlier[-1]["time_ms"] / 1000 + 3600)
    log.initialise()
    log.restore(earlier, step=3000)
    log.start_run()
    log.describe(*IMAGENET)
    for epoch in (6, 7, 8):
        log.epoch_started(epoch)
        log.epoch_ended(epoch)
    log.evaluation_started(8)
    log.evaluation_ended(8, 0.76)
    log.end(is_success=True)
    return log


def test_resumed_run_goes_on_with_the_old_log(
    order: Order, log: TrainingLog, complaints: Callable[[Iterable[Entry]], str]
) -> None:
    earlier = interrupt(log)
    resumed = go_on(order, earlier).entries
    assert resumed[: len(earlier)] == earlier
    told = keys(resumed[len(earlier) :])
    epochs = ["epoch_stop", "epoch_start", "epoch_stop", "epoch_start", "epoch_stop"]
    assert told == ["resumed", *epochs, "block_stop", "eval_start", "eval_accuracy", "eval_stop", "run_stop"]
    assert complaints(resumed) == ""


def test_resumed_run_tells_the_old_entries_again(order: Order, log: TrainingLog) -> None:
    earlier, heard = interrupt(log), list[dict[str, Any]]()
    resumed = TrainingLog(order, heard.append)
    resumed.initialise()
    resumed.restore(earlier, step=3000)
    resumed.start_run()
    assert heard[:-1] == list(earlier)
    assert heard[-1]["metadata"]["step_num"] == 3000


def test_end_of_a_run_that_goes_on_is_taken_back(
    order: Order, log: TrainingLog, complaints: Callable[[Iterable[Entry]], str]
) -> None:
    interrupt(log)
    log.end(is_success=False)
    resumed = go_on(order, log.entries).entries
    assert [one["metadata"]["status"] for one in resumed if one["key"] == "run_stop"] == ["success"]
    assert complaints(resumed) == ""


def test_end_of_a_complete_run_keeps_its_time(order: Order, log: TrainingLog, play: Play) -> None:
    complete = play(log, CURVE)
    again = TrainingLog(order)
    again.restore(complete, step=6000)
    again.start_run()
    again.end(is_success=True)
    assert again.entries == complete


def test_higher_target_takes_the_old_end_back(order: Order, log: TrainingLog, play: Play) -> None:
    complete = play(log, CURVE)
    again = TrainingLog(replace(order, stop_threshold=0.77))
    again.restore(complete, step=6000)
    assert keys(again.entries) == [*keys(complete[:-1]), "resumed"]


def test_seeds_of_five_runs_are_accepted_only_if_they_differ(order: Order, play: Play, tmp_path: Path) -> None:
    seed_checker = pytest.importorskip("mlperf_logging.package_checker.seed_checker")
    files = [tmp_path / f"result_{number}.txt" for number in range(5)]
    for number, file in enumerate(files):
        file.write_text(format_log(play(TrainingLog(with_recipe(order, seed=2 + number)), CURVE)))
    names = list(map(str, files))
    assert seed_checker.SeedChecker("4.0.0").check_seeds(names)
    files[1].write_text(files[0].read_text())
    assert not seed_checker.SeedChecker("4.0.0").check_seeds(names)
