"""When the loop steps, evaluates, saves and stops, on real records, with a model that only counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.data.location import find_split
from resnet_fixtures.errors import DataError, InputError, RunError
from resnet_fixtures.training import diary, loop
from resnet_fixtures.training.checkpoint import read_checkpoint
from resnet_fixtures.training.communicator import Alone
from resnet_fixtures.training.events import Begun, Ended, Evaluated, Logged, Saved, Step
from tests.plugin.full_disk import LIMIT_BYTES, full_disk
from tests.plugin.training.worlds import STEPS_PER_EPOCH, make_order, make_recipe, run_together, write_set

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from resnet_fixtures.training.events import Event
    from resnet_fixtures.training.order import Order
    from resnet_fixtures.training.recipe import Recipe

IMAGES = 1000  # validation images, as the made-up evaluations count them


@dataclass
class Laboratory:
    """Makes models and evaluations, and keeps what they were asked.

    `curve` has the top-1 hits of the evaluations by epoch, `losses` what a step's loss is, by its number.
    """

    curve: dict[int, int] = field(default_factory=dict)
    losses: dict[int, float] = field(default_factory=dict)
    floats: Callable[[int], int] = lambda step: 2
    batches: list[bytes] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)

    def make_model(self, recipe: Recipe, steps_per_epoch: int) -> CountingModel:
        return CountingModel(self, recipe, steps_per_epoch)

    def evaluate(self, model: CountingModel, *rest: Any) -> Evaluated:
        epoch = rest[-1]
        self.evaluated.append(model.step)
        return Evaluated(epoch, model.step, self.curve.get(epoch, 0), IMAGES, IMAGES, 0.0)


@dataclass
class CountingModel:
    """Stands for the TrainingStep: its only weight is the number of its steps."""

    laboratory: Laboratory
    recipe: Recipe
    steps_per_epoch: int
    step: int = 0
    parameters: int = 1

    @property
    def learning_rate(self) -> float:
        return self.recipe.learning_rate(self.step, self.steps_per_epoch)

    def run(self, images: Any, labels: Any) -> float:
        self.laboratory.batches.append(images.numpy().tobytes() + labels.numpy().tobytes())
        self.step += 1
        return self.laboratory.losses.get(self.step, 1.0)

    def gradients(self, images: Any, labels: Any) -> tuple[float, np.ndarray]:
        return float(labels[0]), np.ones(1, np.float32)

    def apply(self, gradients: np.ndarray) -> None:
        self.step += 1

    def tensors(self) -> dict[str, np.ndarray]:
        return {"weights/dense/bias": np.full(self.laboratory.floats(self.step), self.step, np.float32)}

    def load(self, tensors: dict[str, np.ndarray], step: int) -> None:
        if list(tensors) != ["weights/dense/bias"]:
            raise InputError("the checkpoint is of another model.")
        assert tensors["weights/dense/bias"][0] == step
        self.step = step


@pytest.fixture
def laboratory(monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    made = Laboratory()
    monkeypatch.setattr(loop, "TrainingStep", made.make_model)
    monkeypatch.setattr(loop, "evaluate", made.evaluate)
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("data"))


def train(order: Order) -> list[Event]:
    told: list[Event] = []
    loop.train(order, Alone(), told.append)
    return told


def kinds(events: list[Event]) -> str:
    """Write the steps, evaluations and checkpoints as a word."""
    letters = {Begun: "b", Step: "s", Evaluated: "E", Saved: "d", Ended: "."}
    return "".join(letters.get(type(event), "") for event in events)


def logged(events: list[Event]) -> list[dict[str, Any]]:
    return [event.entry for event in events if isinstance(event, Logged)]


def end_of(events: list[Event]) -> Ended:
    assert isinstance(events[-1], Ended)
    return events[-1]


@pytest.mark.usefixtures("laboratory")
def test_every_epoch_is_scored_and_saved(data: Path, tmp_path: Path) -> None:
    events = train(make_order(data, train_epochs=2, checkpoint=tmp_path))
    assert kinds(events) == "bsssEdsssEd."
    steps = [event for event in events if isinstance(event, Step)]
    recipe = make_recipe()
    assert [step.number for step in steps] == list(range(1, 7))
    assert [step.learning_rate for step in steps] == [recipe.learning_rate(n, STEPS_PER_EPOCH) for n in range(6)]
    assert len({step.learning_rate for step in steps}) > 2
    assert all(0 < step.input_s <= step.seconds for step in steps)


@pytest.mark.parametrize(
    ("between", "epochs", "expected"), [(1, 3, [1, 2, 3]), (2, 5, [2, 4, 5]), (3, 3, [3]), (9, 2, [2])]
)
@pytest.mark.usefixtures("laboratory")
def test_the_last_epoch_is_always_scored(data: Path, between: int, epochs: int, expected: list[int]) -> None:
    events = train(make_order(data, train_epochs=epochs, epochs_between_evals=between))
    assert [event.epoch for event in events if isinstance(event, Evaluated)] == expected
    assert end_of(events) == Ended(epochs * STEPS_PER_EPOCH, end_of(events).seconds, reached=False)


@pytest.mark.parametrize(
    ("curve", "end"), [({1: 300, 2: 759, 3: 800}, 2), ({1: 300, 2: 758, 3: 760}, 3), ({1: 900}, 1), ({3: 758}, 4)]
)
def test_the_threshold_stops_the_run_and_nothing_below_it(
    laboratory: Laboratory, data: Path, curve: dict[int, int], end: int
) -> None:
    laboratory.curve = curve
    events = train(make_order(data, train_epochs=4, stop_threshold=0.759))
    assert [event.epoch for event in events if isinstance(event, Evaluated)] == list(range(1, end + 1))
    assert end_of(events).step == end * STEPS_PER_EPOCH
    assert end_of(events).reached == (max(curve.values()) >= 759)
    stops = [entry["metadata"]["status"] for entry in logged(events) if entry["key"] == "run_stop"]
    assert stops == ["success" if end_of(events).reached else "aborted"]


@pytest.mark.usefixtures("laboratory")
def test_the_beginning_names_the_images_that_are_seen(data: Path) -> None:
    train_digest, scored_on = (find_split(data, split).digest() for split in ("train", "validation"))
    for order, digests in (
        (make_order(data, train_epochs=1), {"train_digest": train_digest, "validation_digest": scored_on}),
        (make_order(data, train_steps=1), {"train_digest": train_digest}),
        (make_order(train_steps=1), {}),
    ):
        assert [event.digests for event in train(order) if isinstance(event, Begun)] == [digests]


@pytest.mark.parametrize("steps", [1, 3, 4])
@pytest.mark.usefixtures("laboratory")
def test_train_steps_end_the_run_without_an_evaluation(data: Path, tmp_path: Path, steps: int) -> None:
    events = train(make_order(data, train_steps=steps, checkpoint=tmp_path))
    assert kinds(events) == "b" + "s" * steps + "d."
    assert read_checkpoint(tmp_path).step == steps


@pytest.mark.usefixtures("laboratory")
def test_without_a_validation_split_steps_can_be_trained_and_epochs_cannot(tmp_path: Path) -> None:
    write_set(tmp_path, validation=())
    assert kinds(train(make_order(tmp_path, train_steps=2))) == "bss."
    with pytest.raises(InputError, match="has no validation split"):
        train(make_order(tmp_path, train_epochs=1))


@pytest.mark.usefixtures("laboratory")
def test_dummies_train_for_epochs_without_an_evaluation() -> None:
    events = train(make_order(train_epochs=2))
    begun = events[[isinstance(event, Begun) for event in events].index(True)]
    assert isinstance(begun, Begun)
    assert kinds(events) == "b" + "s" * begun.steps + "."
    assert begun.steps == 2 * begun.steps_per_epoch


@pytest.mark.parametrize(("limit_s", "steps"), [(0.0, 4), (1e6, 7), (None, 7)])
@pytest.mark.usefixtures("laboratory")
def test_the_time_cuts_the_steps_but_not_below_the_least(data: Path, limit_s: float | None, steps: int) -> None:
    events = train(make_order(data, train_steps=7, max_time_s=limit_s, min_steps=4))
    assert kinds(events) == "b" + "s" * steps + "."
    assert end_of(events).step == steps


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_and_the_last_good_checkpoint_stays(
    laboratory: Laboratory, data: Path, tmp_path: Path, loss: float
) -> None:
    laboratory.losses = {5: loss}
    sentence = rf"^The loss is {loss} in step 5: pass a smaller --base-learning-rate\.$"
    with pytest.raises(RunError, match=sentence):
        train(make_order(data, train_epochs=4, checkpoint=tmp_path))
    assert read_checkpoint(tmp_path).step == STEPS_PER_EPOCH


def test_a_full_disk_ends_the_run_and_the_last_good_checkpoint_stays(
    laboratory: Laboratory, data: Path, tmp_path: Path
) -> None:
    laboratory.floats = lambda step: LIMIT_BYTES if step > STEPS_PER_EPOCH else 2
    laboratory.curve = {1: 1, 2: 2}
    sentence = r"^.*best\.safetensors cannot be written \(File too large\): make room, or"
    with pytest.raises(InputError, match=sentence), full_disk():
        train(make_order(data, train_epochs=4, checkpoint=tmp_path))
    assert len(laboratory.batches) == 2 * STEPS_PER_EPOCH
    assert read_checkpoint(tmp_path).step == STEPS_PER_EPOCH
    assert read_checkpoint(tmp_path / f"step-{STEPS_PER_EPOCH:010}.safetensors").step == STEPS_PER_EPOCH


@pytest.mark.parametrize("first", [2, 3, 4])
def test_a_resumed_run_sees_the_images_that_the_whole_run_sees(
    laboratory: Laboratory, data: Path, tmp_path: Path, first: int
) -> None:
    train(make_order(data, train_steps=7))
    whole, laboratory.batches = laboratory.batches, []
    train(make_order(data, train_steps=first, checkpoint=tmp_path))
    assert laboratory.batches == whole[:first]
    events = train(make_order(data, train_steps=7, checkpoint=tmp_path))
    assert kinds(events) == "b" + "s" * (7 - first) + "d."
    assert laboratory.batches == whole
    assert len(set(whole)) == 7


def test_an_evaluation_that_a_kill_prevented_is_made_up_for(
    laboratory: Laboratory, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch's last step is on the disk, and the run dies while it scores the model."""
    order = make_order(data, train_epochs=2, checkpoint=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(diary, "SECONDS_BETWEEN_CHECKPOINTS", 0)
        patched.setattr(loop, "evaluate", lambda *rest: 1 / 0)
        with pytest.raises(ZeroDivisionError, match="division"):
            train(order)
    assert read_checkpoint(tmp_path).step == STEPS_PER_EPOCH
    events = train(order)
    assert kinds(events) == "bEdsssEd."
    assert laboratory.evaluated == [STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH]
    keys = [entry["key"] for entry in logged(events)]
    assert [keys.count(key) for key in ("epoch_start", "epoch_stop", "eval_start", "eval_stop")] == [2, 2, 2, 2]
    assert keys.index("epoch_stop") < keys.index("eval_start")


def test_the_last_evaluation_is_made_up_for_too(laboratory: Laboratory, data: Path, tmp_path: Path) -> None:
    laboratory.curve = {1: 800}
    train(make_order(data, train_steps=STEPS_PER_EPOCH, checkpoint=tmp_path))
    events = train(make_order(data, train_epochs=1, stop_threshold=0.759, checkpoint=tmp_path))
    assert kinds(events) == "bEd."
    assert end_of(events).reached


@pytest.mark.parametrize("is_reached", [True, False])
def test_a_finished_folder_trains_nothing_and_keeps_its_end(
    laboratory: Laboratory, data: Path, tmp_path: Path, is_reached: bool
) -> None:
    laboratory.curve = {1: 100, 2: 800 if is_reached else 200}
    order = make_order(data, train_epochs=2, stop_threshold=0.759, checkpoint=tmp_path)
    first = train(order)
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.name != ".lock"}
    again = train(order)
    assert len(laboratory.batches) == 2 * STEPS_PER_EPOCH
    assert kinds(again) == "bEE."
    assert (end_of(again).step, end_of(again).reached) == (2 * STEPS_PER_EPOCH, is_reached)
    assert [e for e in again if isinstance(e, Evaluated)] == [e for e in first if isinstance(e, Evaluated)]
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.name != ".lock"} == files
    if is_reached:
        assert logged(again) == logged(first)


def test_a_folder_that_was_scored_on_other_images_is_refused(
    laboratory: Laboratory, data: Path, tmp_path: Path
) -> None:
    """They met the threshold on images that are gone: to tell that again would be a pass of nothing."""
    location = tmp_path / "data"
    location.mkdir()
    write_set(location, validation=(9,))
    laboratory.curve = {1: 800}
    train(make_order(location, stop_threshold=0.759, checkpoint=tmp_path / "saved"))
    for file in location.glob("validation-*"):
        file.unlink()
    write_set(location, validation=(3, 2))
    with pytest.raises(InputError, match=r"another training \(validation data \w+ instead of \w+\): pass what"):
        train(make_order(location, stop_threshold=0.759, checkpoint=tmp_path / "saved"))


def test_a_longer_order_goes_on_behind_a_finished_one(laboratory: Laboratory, data: Path, tmp_path: Path) -> None:
    train(make_order(data, train_epochs=1, checkpoint=tmp_path))
    assert kinds(train(make_order(data, train_epochs=2, checkpoint=tmp_path))) == "bEsssEd."
    assert laboratory.evaluated == [STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH]


def test_ranks_agree_on_the_end_and_one_tells(laboratory: Laboratory, data: Path, tmp_path: Path) -> None:
    """Rank 0's checkpoint, its evaluations and its clock decide; the others have none, or another."""
    laboratory.curve = {1: 100, 2: 800}
    recipe = make_recipe(batch_size=2, ranks=2)
    for epochs, expected in ((1, "bsssEd."), (3, "bEsssEd."), (3, "bEE.")):
        order = make_order(data, recipe, train_epochs=epochs, stop_threshold=0.759, checkpoint=tmp_path)
        told: list[list[Event]] = [[], []]
        run_together(2, lambda ranks, order=order, told=told: loop.train(order, ranks, told[ranks.rank].append))  # type: ignore[misc]
        assert kinds(told[0]) == expected
        assert told[1] == []
    order = make_order(data, recipe, train_steps=50, max_time_s=0.0, min_steps=2)
    lone: list[Event] = []
    run_together(2, lambda ranks: loop.train(order, ranks, lone.append))
    assert kinds(lone) == "bss."
    assert all(0 < event.communication_s < event.seconds for event in lone if isinstance(event, Step))


def test_a_checkpoint_of_another_model_is_refused_before_ranks_wait_for_it(
    laboratory: Laboratory, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = make_order(data, make_recipe(batch_size=2, ranks=2), train_steps=2, checkpoint=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(CountingModel, "tensors", lambda model: {"weights/another": np.ones(1, np.float32)})
        run_together(2, lambda ranks: loop.train(order, ranks, lambda event: None))
    with pytest.raises(InputError, match=r"^the checkpoint is of another model\.$"):
        run_together(2, lambda ranks: loop.train(order, ranks, lambda event: None))


@pytest.mark.usefixtures("laboratory")
def test_a_corrupt_record_is_named(tmp_path: Path) -> None:
    write_set(tmp_path, validation=())
    file = tmp_path / "train-00001-of-00002"
    content = bytearray(file.read_bytes())
    content[200] ^= 255
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"train-00001-of-00002, record 1: .+; copy or convert that file again\.$"):
        train(make_order(tmp_path, train_steps=3))
