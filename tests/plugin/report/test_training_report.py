from __future__ import annotations

from typing import Any

from resnet_fixtures.report.training_report import convergence_lines, trial_lines

TRIAL: dict[str, Any] = {
    "precision": "fp32", "batch_size": 16, "processes": 1, "images_per_s": 6.91, "images_per_s_interval": [6.8, 7.0],
    "latency_median_s": 2.31653, "latency_median_interval_s": [2.2872, 2.34011], "steps": 27, "warmup_steps": 3,
    "loss_first": 6.90781, "loss_last": 2.881, "input_share": 0.004, "communication_share": 0.0,
    "kernels": {"sentence": "fp32 is native."},
}  # fmt: skip
RUN: dict[str, Any] = {
    "precision": "bf16", "batch_size": 64, "processes": 2, "data": "digits", "top1": 0.975, "correct1": 351,
    "images": 360, "epochs": 6, "target": 0.97, "reached": True, "time_to_train_s": 41.26,
    "time_to_train_reason": "The time of one run; MLPerf scores 5.", "frozen_top1": None,
}  # fmt: skip


def test_trial_with_loss_and_shares() -> None:
    assert trial_lines([TRIAL]) == [
        "fp32 bs16, 1 process: 6.9 images/s [6.8, 7.0], median 2316.53 ms [2287.20, 2340.11], "
        "27 steps after 3 warm-ups",
        "    Loss 6.9078 at first, 2.8810 at last (medians of a quarter); of a step, 0.4% is input and "
        "0.0% communication.",
        "    fp32 is native.",
    ]


def test_trial_of_several_processes_says_its_cut_first() -> None:
    lines = trial_lines([{**TRIAL, "processes": 4, "cut": "--max-time cut it.", "communication_share": 0.0634}])
    assert lines[0].startswith("fp32 bs16, 4 processes: 6.9 images/s")
    assert lines[1] == "    --max-time cut it."
    assert lines[2].endswith("0.4% is input and 6.3% communication.")


def test_run_that_reached_its_target() -> None:
    assert convergence_lines([RUN]) == [
        "bf16 bs64, 2 processes on digits: top-1 0.9750 (351 of 360) after 6 epochs, the target of 0.97 is reached",
        "    Time to train 41.3 s. The time of one run; MLPerf scores 5.",
    ]


def test_run_that_missed_its_target_has_no_time() -> None:
    missed = {"reached": False, "time_to_train_s": None, "time_to_train_reason": "The run did not reach the target."}
    assert convergence_lines([{**RUN, **missed}]) == [
        "bf16 bs64, 2 processes on digits: top-1 0.9750 (351 of 360) after 6 epochs, the target of 0.97 is missed",
        "    No time to train: The run did not reach the target.",
    ]


def test_one_epoch_is_one() -> None:
    assert " after 1 epoch, the target " in convergence_lines([{**RUN, "epochs": 1}])[0]


def test_frozen_graph_s_score_comes_last() -> None:
    assert convergence_lines([{**RUN, "frozen_top1": 0.9722}])[2:] == ["    The frozen graph scores top-1 0.9722."]


def test_nothing_is_said_of_nothing() -> None:
    assert trial_lines([]) == convergence_lines([]) == []
