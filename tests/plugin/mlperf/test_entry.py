from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.mlperf.entry import LATEST_MS, check_entry
from resnet_fixtures.mlperf.time_to_train import time_run
from resnet_fixtures.mlperf.training_log import TrainingLog

if TYPE_CHECKING:
    from resnet_fixtures.training.order import Order
    from tests.plugin.mlperf.conftest import Play


def make_entry(key: str = "seed", **changes: Any) -> dict[str, Any]:
    entry = {"namespace": "", "time_ms": 7, "event_type": "POINT_IN_TIME", "key": key, "value": 2, "metadata": {}}
    return {**entry, **changes}


def test_whatever_a_run_logs_is_an_entry_and_can_be_read_again(order: Order, log: TrainingLog, play: Play) -> None:
    entries = json.loads(json.dumps(play(log, (0.0, 0.76, 1.0))))
    read = [check_entry(entry) for entry in entries]
    assert read == entries
    assert time_run(read) == time_run(log.entries)
    again = TrainingLog(order)
    again.restore(read, step=3)
    again.epoch_started(99)
    again.evaluation_started(99)


@pytest.mark.parametrize(
    "entry",
    [
        make_entry(),
        make_entry("eval_accuracy", value=1),
        make_entry("eval_accuracy", value=0.76),
        make_entry("block_stop", metadata={"first_epoch_num": 1}),
        make_entry("run_stop", metadata={"status": "aborted"}),
    ],
)
def test_entry(entry: dict[str, Any]) -> None:
    assert check_entry(entry) == entry


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (7, "without metadata"),
        ({}, "without metadata"),
        (make_entry(metadata=None), "without metadata"),
        (make_entry(metadata=[]), "without metadata"),
        (make_entry() | {"key": ["seed"]}, r"no key, kind or value: \['seed'\]"),
        (make_entry(event_type="INTERVAL"), "no key, kind or value: 'seed'"),
        (make_entry(event_type=[]), "no key, kind or value: 'seed'"),
        ({name: fact for name, fact in make_entry().items() if name != "value"}, "no key, kind or value: 'seed'"),
        (make_entry(time_ms="7"), "seed of MLPerf's log at no time"),
        (make_entry(time_ms=7.5), "at no time"),
        (make_entry(time_ms=True), "at no time"),
        (make_entry(time_ms=-1), "at no time"),
        (make_entry(time_ms=LATEST_MS), "at no time"),
        (make_entry("eval_accuracy", value="0.5"), "eval_accuracy of MLPerf's log does not say what it should"),
        (make_entry("eval_accuracy", value=None), "does not say"),
        (make_entry("eval_accuracy", value=float("nan")), "does not say"),
        (make_entry("eval_accuracy", value=75.9), "does not say"),
        (make_entry("eval_accuracy", value=True), "does not say"),
        (make_entry("block_start"), "does not say"),
        (make_entry("block_start", metadata={"first_epoch_num": "1"}), "does not say"),
        (make_entry("block_stop", metadata={"first_epoch_num": None}), "does not say"),
        (make_entry("run_stop"), "does not say"),
        (make_entry("run_stop", metadata={"status": {}}), "does not say"),
    ],
)
def test_what_is_no_entry(entry: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_entry(entry)
