"""Real workers that are killed and started again, and go on as if nothing had been."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.training.checkpoint import read_checkpoint
from resnet_fixtures.training.events import Begun, Ended, Evaluated, Logged, Saved, Step
from tests.plugin.training.worlds import STEPS_PER_EPOCH, host, make_order, make_recipe, run_workers, write_set

if TYPE_CHECKING:
    from pathlib import Path

    from resnet_fixtures.training.events import Event

EPOCHS = 3
STEPS = EPOCHS * STEPS_PER_EPOCH
LAST = f"step-{STEPS:010}.safetensors"
KILLED = rf"^Rank 0 on {re.escape(host())} was killed by SIGKILL"
EARLY_STEPS = 5
# Every step is saved, and the fifth is told, but not saved: it is the sixth that would be, after epoch 1's evaluation.
IN_AN_EPOCH = (0, "before", "_save", EARLY_STEPS + 1, 0)
AFTER_A_CHECKPOINT = (0, "after", "_save", 1, 600)


@dataclass(frozen=True)
class Lives:
    """What the runs told that were killed, and the one behind them, in one folder; and what one long run told."""

    folder: Path
    killed: tuple[list[Event], list[Event]]
    last: list[Event]
    whole_folder: Path
    whole: list[Event]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def lives(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Lives:
    folder = tmp_path_factory.mktemp("checkpoints")
    order, whole = (make_order(data, train_epochs=EPOCHS, checkpoint=folder / name) for name in ("killed", "whole"))
    first: list[Event] = []
    second: list[Event] = []
    with ThreadPoolExecutor(1) as threads:
        told = threads.submit(run_workers, whole, 1, [])
        with pytest.raises(RunError, match=KILLED):
            run_workers(order, 1, first, *IN_AN_EPOCH)
        with pytest.raises(RunError, match=KILLED):
            run_workers(order, 1, second, *AFTER_A_CHECKPOINT)
        last = run_workers(order, 1, [])
        return Lives(folder / "killed", (first, second), last, folder / "whole", told.result())


def test_killed_runs_were_where_they_should_have_been(lives: Lives) -> None:
    """Else the tests below would pass for nothing."""
    first, second = lives.killed
    assert [event.number for event in first if isinstance(event, Step)] == [1, 2, 3, 4, EARLY_STEPS]
    assert isinstance(second[-1], Saved)
    steps = [next(event.step for event in run if isinstance(event, Begun)) for run in (first, second, lives.last)]
    assert steps == [0, EARLY_STEPS - 1, 2 * STEPS_PER_EPOCH]


def test_killed_and_started_again_ends_with_the_same_bits(lives: Lives) -> None:
    resumed, whole = (read_checkpoint(folder / LAST) for folder in (lives.folder, lives.whole_folder))
    assert resumed.step == whole.step == STEPS
    assert resumed.tensors.keys() == whole.tensors.keys()
    for name, tensor in whole.tensors.items():
        np.testing.assert_array_equal(resumed.tensors[name], tensor, err_msg=name)
        assert not name.endswith("/kernel") or tensor.any(), name


def test_every_step_of_every_life_is_that_of_the_whole_run(lives: Lives) -> None:
    """The loss depends on the images, their order, their augmentation and the weights."""
    whole = {event.number: event.loss for event in lives.whole if isinstance(event, Step)}
    assert list(whole) == list(range(1, STEPS + 1))
    assert len(set(whole.values())) == STEPS
    for life in (*lives.killed, lives.last):
        steps = {event.number: event.loss for event in life if isinstance(event, Step)}
        assert steps
        assert steps.items() <= whole.items()


def test_evaluations_are_those_of_the_whole_run_and_told_again(lives: Lives) -> None:
    expected = [counts(event) for event in lives.whole if isinstance(event, Evaluated)]
    assert [epoch for epoch, *_ in expected] == [1, 2, 3]
    assert [counts(event) for event in lives.last if isinstance(event, Evaluated)] == expected
    earlier = [event for event in lives.killed[0] if isinstance(event, Evaluated)]
    assert [event for event in lives.last if isinstance(event, Evaluated)][:1] == earlier


def counts(event: Evaluated) -> tuple[int, ...]:
    return event.epoch, event.step, event.correct1, event.correct5, event.images


def test_log_keeps_the_times_of_earlier_lives(lives: Lives) -> None:
    first, second, last = (logged(life) for life in (*lives.killed, lives.last))
    kept = [entry for entry in first if entry["metadata"].get("epoch_num") == 1]
    assert [entry["key"] for entry in kept] == ["epoch_start", "epoch_stop", "eval_start", "eval_accuracy", "eval_stop"]
    for entry in (*kept, find(first, "run_start"), find(second, "epoch_stop", 2)):
        assert entry in last
    assert [entry["key"] for entry in last].count("run_start") == 1
    resumed = [entry["metadata"]["step_num"] for entry in last if entry["key"] == "resumed"]
    assert resumed == [EARLY_STEPS - 1, 2 * STEPS_PER_EPOCH]
    assert [entry["time_ms"] for entry in last] == sorted(entry["time_ms"] for entry in last)


def logged(events: list[Event]) -> list[dict[str, Any]]:
    return [event.entry for event in events if isinstance(event, Logged)]


def find(log: list[dict[str, Any]], key: str, epoch: int | None = None) -> dict[str, Any]:
    (entry,) = [one for one in log if one["key"] == key and one["metadata"].get("epoch_num") == epoch]
    return entry


def test_seconds_of_all_lives_are_counted(lives: Lives) -> None:
    (ended,) = [event for event in lives.last if isinstance(event, Ended)]
    steps = [event for life in (lives.killed[1], lives.last) for event in life if isinstance(event, Step)]
    assert ended.step == STEPS
    assert ended.seconds > sum(step.seconds for step in steps)


def test_a_folder_of_another_recipe_is_refused_with_the_difference(lives: Lives, data: Path) -> None:
    order = make_order(data, make_recipe(seed=5), train_epochs=EPOCHS, checkpoint=lives.folder)
    with pytest.raises(InputError, match=r"belongs to another training \(seed 2 instead of 5\): pass what that one"):
        run_workers(order, 1, [])
