"""Two ranks of a real training: they follow one process, they go on, and they end together."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.data.location import find_split
from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.training.checkpoint import read_checkpoint
from resnet_fixtures.training.communicator import Alone
from resnet_fixtures.training.events import Evaluated, Saved, Step
from resnet_fixtures.training.loop import train
from resnet_fixtures.training.recipe import Augmentation
from resnet_fixtures.training.shard_order import ShardOrder
from resnet_fixtures.training.step import TrainingStep
from tests.plugin.training.processes import LIMIT_S
from tests.plugin.training.worlds import (
    STEPS_PER_EPOCH,
    VALIDATION,
    host,
    make_order,
    make_recipe,
    run_together,
    run_workers,
    several,
    write_set,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resnet_fixtures.training.events import Event
    from resnet_fixtures.training.order import Order
    from resnet_fixtures.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("shallow")
STEPS = 5
TOLERANCE = 1e-5
GLOBAL_BATCH = 8


def make_whole(**changes: Any) -> Recipe:
    """One rank's recipe: from the first step on with a rate that moves the weights, and keeps them finite."""
    return make_recipe(batch_size=GLOBAL_BATCH, warmup_epochs=0.0, zero_last_gamma=True, **changes)


def halve(recipe: Recipe) -> Recipe:
    return replace(recipe, batch_size=GLOBAL_BATCH // 2, ranks=2)


def farthest(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> float:
    """Return the largest difference between trainable weights."""
    assert one.keys() == other.keys()
    trainable = [name for name in one if not name.endswith(("/mean", "/variance"))]
    return max(float(np.abs(one[name] - other[name]).max()) for name in trainable)


def weights_of(folder: Path) -> Mapping[str, np.ndarray]:
    checkpoint = read_checkpoint(folder / f"step-{STEPS:010}.safetensors")
    assert checkpoint.step == STEPS
    return checkpoint.weights


def first_weights(recipe: Recipe) -> Mapping[str, np.ndarray]:
    tensors = TrainingStep(recipe, 1).tensors()
    return {name.removeprefix("weights/"): tensor for name, tensor in tensors.items() if name.startswith("weights/")}


def train_alone(order: Order) -> list[Event]:
    told: list[Event] = []
    train(order, Alone(), told.append)
    return told


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, Step)]


@several
@pytest.mark.parametrize(("is_frozen", "rate"), [(True, 2e-3), (False, 0.128)])
def test_two_ranks_of_half_the_batch_follow_one_process(tmp_path: Path, is_frozen: bool, rate: float) -> None:
    """With batch norm frozen; else each rank normalises by its own half, and the comparison must show it."""
    recipe = make_whole(freeze_batch_norm=is_frozen, base_learning_rate=rate)
    one, two = tmp_path / "one", tmp_path / "two"
    alone = train_alone(make_order(recipe=recipe, train_steps=STEPS, checkpoint=one))
    together = run_workers(make_order(recipe=halve(recipe), train_steps=STEPS, checkpoint=two), 2, [])
    assert farthest(weights_of(one), first_weights(recipe)) > 100 * TOLERANCE
    assert (farthest(weights_of(one), weights_of(two)) < TOLERANCE) == is_frozen
    if is_frozen:
        np.testing.assert_allclose(losses(together), losses(alone), rtol=1e-4)


def test_ranks_read_records_as_one_process_whose_steps_take_the_whole_set(tmp_path: Path) -> None:
    """Whoever reads which file: the mean over a step is that over all images."""
    data = write_set(tmp_path, train=(4, 4), validation=(3,))
    recipe = make_whole(freeze_batch_norm=True, base_learning_rate=2e-3, augmentation=Augmentation.NONE)
    one, two = tmp_path / "one", tmp_path / "two"
    train_alone(make_order(data, recipe, train_steps=STEPS, checkpoint=one))
    order = make_order(data, halve(recipe), train_steps=STEPS, checkpoint=two)
    run_together(2, lambda ranks: train(order, ranks, lambda event: None))
    assert farthest(weights_of(one), first_weights(recipe)) > 100 * TOLERANCE
    assert farthest(weights_of(one), weights_of(two)) < TOLERANCE


def test_ranks_that_are_started_again_end_with_the_same_bits(tmp_path: Path) -> None:
    """From an evaluation on, where the ranks' moving statistics are one."""
    order = make_order(write_set(tmp_path), make_recipe(batch_size=2, ranks=2), train_epochs=2)
    whole: list[Event] = []
    resumed: list[Event] = []

    def tell(event: Event) -> None:
        whole.append(event)
        if isinstance(event, Saved) and event.step == STEPS_PER_EPOCH:
            shutil.copytree(tmp_path / "whole", tmp_path / "resumed")

    run_together(2, lambda ranks: train(replace(order, checkpoint=tmp_path / "whole"), ranks, tell))
    run_together(2, lambda ranks: train(replace(order, checkpoint=tmp_path / "resumed"), ranks, resumed.append))
    last = f"step-{2 * STEPS_PER_EPOCH:010}.safetensors"
    expected, found = (read_checkpoint(tmp_path / name / last) for name in ("whole", "resumed"))
    for name, tensor in expected.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], tensor, err_msg=name)
    assert losses(resumed) == losses(whole)[STEPS_PER_EPOCH:]
    assert [event.images for event in resumed if isinstance(event, Evaluated)] == [sum(VALIDATION)] * 2


@several
def test_a_corrupt_record_of_rank_1_ends_the_run_and_is_named(tmp_path: Path) -> None:
    data = write_set(tmp_path, train=(6, 6))
    recipe = make_recipe(batch_size=2, ranks=2)
    split = find_split(data, "train")
    file = split.files[ShardOrder(split, 1, 2, recipe.seed, 1).dealt[0]]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    start_s = time.monotonic()
    order = make_order(data, recipe, train_steps=STEPS)
    with pytest.raises(
        InputError, match=rf"^{re.escape(str(file))}, record \d: .+; copy or convert that file again\.$"
    ):
        run_workers(order, 2, [])
    assert time.monotonic() - start_s < LIMIT_S


@several
def test_a_killed_rank_1_ends_the_run_with_its_name(tmp_path: Path) -> None:
    order = make_order(recipe=make_recipe(ranks=2), train_steps=10_000, checkpoint=tmp_path)
    heard: list[Event] = []
    start_s = time.monotonic()
    with pytest.raises(RunError, match=rf"^Rank 1 on {re.escape(host())} was killed by SIGKILL"):
        run_workers(order, 2, heard, 1, "after", "stepped", 3, 600)
    assert len(losses(heard)) in (2, 3, 4)
    assert time.monotonic() - start_s < LIMIT_S
