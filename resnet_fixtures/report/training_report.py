"""The closing lines of trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resnet_fixtures.report.terminal import describe_latency, describe_throughput

Result = Mapping[str, Any]


def trial_lines(results: Sequence[Result]) -> list[str]:
    """Say each trial: throughput of all processes, step time, loss, and what a step waited for."""
    lines = []
    for result in results:
        sample = f"{result['steps']} steps after {result['warmup_steps']} warm-ups"
        lines.append(f"{_name(result)}: {describe_throughput(result)}, {describe_latency(result)}, {sample}")
        notes = [result["cut"]] if "cut" in result else []
        notes.append(
            f"Loss {result['loss_first']:.4f} at first, {result['loss_last']:.4f} at last (medians of a quarter); of a "
            f"step, {result['input_share']:.1%} is input and {result['communication_share']:.1%} communication."
        )
        notes.append(result["kernels"]["sentence"])
        lines.extend(f"    {note}" for note in notes)
    return lines


def convergence_lines(results: Sequence[Result]) -> list[str]:
    """Say each training to the target: what it reached, when, and MLPerf's score."""
    lines = []
    for result in results:
        reached = "reached" if result["reached"] else "missed"
        epochs = "1 epoch" if result["epochs"] == 1 else f"{result['epochs']} epochs"
        lines.append(
            f"{_name(result)} on {result['data']}: top-1 {result['top1']:.4f} ({result['correct1']} of "
            f"{result['images']}) after {epochs}, the target of {result['target']} is {reached}"
        )
        if result["time_to_train_s"] is not None:
            lines.append(f"    Time to train {result['time_to_train_s']:.1f} s. {result['time_to_train_reason']}")
        else:
            lines.append(f"    No time to train: {result['time_to_train_reason']}")
        if result["frozen_top1"] is not None:
            lines.append(f"    The frozen graph scores top-1 {result['frozen_top1']:.4f}.")
    return lines


def _name(result: Result) -> str:
    processes = "1 process" if result["processes"] == 1 else f"{result['processes']} processes"
    return f"{result['precision']} bs{result['batch_size']}, {processes}"
