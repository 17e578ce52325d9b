from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.training import diary
from resnet_fixtures.training.checkpoint import read_checkpoint
from resnet_fixtures.training.data_digests import DataDigests
from resnet_fixtures.training.diary import Diary
from resnet_fixtures.training.events import Begun, Ended, Evaluated, Logged, Saved, Step
from tests.plugin.lazy_tensorflow import tf
from tests.plugin.training.worlds import make_order, make_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from resnet_fixtures.training.events import Event

DATA = DataDigests("data", "scored on")
BEGUN = Begun(0, 20, 2, 1)


@dataclass
class Model:
    """All that a diary wants of a TrainingStep."""

    step: int = 0

    def tensors(self) -> dict[str, np.ndarray]:
        return {"weights/dense/bias": np.full(2, self.step, np.float32)}


def keep(told: list[Event], checkpoint: Path | None = None, data: DataDigests = DATA, **fields: Any) -> Diary:
    return Diary(make_order(checkpoint=checkpoint, **fields), data, told.append)


def step(number: int) -> Step:
    return Step(number, 1 / number, number / 8, 0.5, 0.25, 0.0)


def evaluated(epoch: int, hits: int) -> Evaluated:
    return Evaluated(epoch, 2 * epoch, hits, 90, 100, 0.25)


def write_epochs(book: Diary, model: Any, hits: dict[int, int]) -> None:
    """Let epochs of two steps pass, with so many hits in the evaluation of each."""
    for epoch, correct in hits.items():
        book.epoch_begins(epoch)
        for model.step in (2 * epoch - 1, 2 * epoch):
            book.stepped(step(model.step), model)
        book.epoch_ends(epoch)
        book.evaluation_begins(epoch)
        book.evaluated(evaluated(epoch, correct), model)


def logged(told: list[Event]) -> list[dict[str, Any]]:
    return [event.entry for event in told if isinstance(event, Logged)]


def read_scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Read the event files as TensorBoard does: values by step by name."""
    scalars: dict[str, dict[int, float]] = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.compat.v1.train.summary_iterator(str(file)):
            for value in record.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                scalars.setdefault(value.tag, {})[record.step] = float(tf.make_ndarray(value.tensor))
    return scalars


@pytest.mark.filterwarnings("ignore:.*tf_record_iterator:DeprecationWarning")
@pytest.mark.parametrize("name", [b"board", b"b\xffard"], ids=["utf-8", "other bytes"])
def test_tensorboard_gets_loss_rate_and_top1(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    told: list[Event] = []
    with keep(told, tensorboard=folder) as book:
        book.begin(BEGUN, 8, 100)
        write_epochs(book, Model(), {1: 25, 2: 50})
    scalars = read_scalars(folder.replace(tmp_path / "read"))  # the reader wants UTF-8
    assert scalars == {
        "loss": {n: float(np.float32(1 / n)) for n in (1, 2, 3, 4)},
        "learning_rate": {n: n / 8 for n in (1, 2, 3, 4)},
        "top1": {2: 0.25, 4: 0.5},
    }


def test_a_folder_that_tensorboard_cannot_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "board").write_text("a file")
    with pytest.raises(InputError, match=r"^--tensorboard .+/board cannot be written \(.+\): name another folder\.$"):
        keep([], tensorboard=tmp_path / "board").__enter__()


def test_the_best_is_the_first_of_the_highest(tmp_path: Path) -> None:
    told: list[Event] = []
    model = Model()
    with keep(told, tmp_path) as book:
        book.begin(BEGUN, 8, 100)
        write_epochs(book, model, {1: 30, 2: 50, 3: 50, 4: 40})
        book.end(model)  # type: ignore[arg-type]
    best, newest = read_checkpoint(tmp_path), read_checkpoint(tmp_path / "step-0000000008.safetensors")
    assert (best.step, newest.step) == (4, 8)
    assert best.evaluations == (evaluated(1, 30), evaluated(2, 50))
    assert len(newest.evaluations) == 4
    assert [event.step for event in told if isinstance(event, Saved)] == [2, 4, 6, 8]
    assert isinstance(told[-1], Ended)


def test_a_resumed_diary_remembers(tmp_path: Path) -> None:
    first: list[Event] = []
    with keep(first, tmp_path) as book:
        book.begin(BEGUN, 8, 100)
        write_epochs(book, Model(), {1: 30})
        spent_s = book.seconds
    again: list[Event] = []
    model = Model(2)
    with keep(again, tmp_path) as book:
        checkpoint = book.resume()
        assert checkpoint is not None
        assert 0 < checkpoint.seconds <= spent_s
        assert book.is_evaluated(model)  # type: ignore[arg-type]
        book.begin(replace(BEGUN, step=2), 8, 100)
        assert book.seconds > checkpoint.seconds
        write_epochs(book, model, {2: 20})
    old, new = logged(first), logged(again)
    assert new[: len(old)] == old
    assert new[len(old)]["key"] == "resumed"
    assert [event for event in again if isinstance(event, Evaluated)] == [evaluated(1, 30), evaluated(2, 20)]
    assert (read_checkpoint(tmp_path).step, read_checkpoint(tmp_path / "step-0000000004.safetensors").step) == (2, 4)


def test_steps_without_a_score_keep_what_the_earlier_scores_are_of(tmp_path: Path) -> None:
    with keep([], tmp_path) as book:
        book.begin(BEGUN, 8, 100)
        write_epochs(book, Model(), {1: 30})
    with keep([], tmp_path, DataDigests("data")) as book:
        assert book.resume() is not None
        book.begin(replace(BEGUN, step=2), 8, 0)
        book.end(Model(3))  # type: ignore[arg-type]
    assert read_checkpoint(tmp_path / "step-0000000003.safetensors").data == DATA


def test_the_threshold_that_was_reached_is_remembered(tmp_path: Path) -> None:
    with keep([], tmp_path, stop_threshold=0.5) as book:
        book.begin(BEGUN, 8, 100)
        write_epochs(book, Model(), {1: 49})
        assert not book.has_reached
        write_epochs(book, Model(), {2: 50})
        assert book.has_reached
    with keep([], tmp_path, stop_threshold=0.5) as book:
        assert book.resume() is not None
        assert book.has_reached
    with keep([], tmp_path, stop_threshold=0.51) as book:
        assert book.resume() is not None
        assert not book.has_reached


@pytest.mark.parametrize(("interval_s", "saved"), [(0.0, [1, 2, 2, 3, 4, 4]), (600.0, [2, 4])])
def test_checkpoints_come_with_evaluations_and_when_the_last_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interval_s: float, saved: list[int]
) -> None:
    monkeypatch.setattr(diary, "SECONDS_BETWEEN_CHECKPOINTS", interval_s)
    told: list[Event] = []
    model = Model()
    with keep(told, tmp_path) as book:
        book.begin(BEGUN, 8, 100)
        write_epochs(book, model, {1: 49, 2: 50})
        book.end(model)  # type: ignore[arg-type]
    assert [event.step for event in told if isinstance(event, Saved)] == saved


def test_a_run_without_evaluations_is_saved_at_its_end(tmp_path: Path) -> None:
    told: list[Event] = []
    with keep(told, tmp_path) as book:
        book.begin(BEGUN, 8, 0)
        book.stepped(step(1), Model(1))  # type: ignore[arg-type]
        book.end(Model(1))  # type: ignore[arg-type]
    assert read_checkpoint(tmp_path).step == 1
    assert [type(event) for event in told if not isinstance(event, Logged)] == [Begun, Step, Saved, Ended]


def test_one_run_has_the_folder_until_its_end_however_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resnet_fixtures.training.checkpoint.PATIENCE_S", 0.0)
    book = keep([], tmp_path)
    with pytest.raises(KeyError, match="inside"), book:
        raise KeyError("inside")
    with keep([], tmp_path):
        pass


def test_another_recipe_is_refused_and_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    with keep([], tmp_path) as book:
        book.begin(BEGUN, 8, 100)
        write_epochs(book, Model(), {1: 30})
    with (
        pytest.raises(InputError, match=r"\(batch_size 4 instead of 8\)"),
        keep([], tmp_path, recipe=make_recipe(batch_size=8)) as book,
    ):
        book.resume()
    assert read_checkpoint(tmp_path).step == 2
