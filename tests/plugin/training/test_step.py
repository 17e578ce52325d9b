from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from resnet_fixtures.accuracy.topk import rank_labels
from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.recipe import Recipe
from resnet_fixtures.training.step import TrainingStep, _cross_entropy
from tests.plugin.training.shallow import BLOCKS, CONVOLUTIONS, shallow_network

pytestmark = pytest.mark.usefixtures("shallow")
RECIPE = Recipe(
    architecture=Architecture(width=4, classes=11, image_size=32),
    batch_size=8,
    base_learning_rate=1.6,  # 0.05 at the global batch of 8
    warmup_epochs=1.0,
    drop_epochs=(2.0,),
    weight_decay=1e-2,  # large enough to be seen
    seed=3,
)
LEARNING = replace(RECIPE, weight_decay=1e-4, zero_last_gamma=True)
STEPS_PER_EPOCH = 4
ROOT = Path(__file__).parents[3]
Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]
Maker = Callable[[Recipe], TrainingStep]


def draw_batch(seed: int = 0, images: int = 8) -> Batch:
    """Images whose brightness tells their class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 11, images).astype(np.int32)
    noise = rng.normal(0, 20, (images, 32, 32, 3))
    return (noise + 20 * (labels - 5)[:, None, None, None]).astype(np.float32), labels


@pytest.fixture(scope="module")
def made() -> Maker:
    """Make a step for a recipe, or begin again with one that was traced before."""

    @cache
    def make(recipe: Recipe) -> tuple[TrainingStep, dict[str, npt.NDArray[np.float32]]]:
        step = TrainingStep(recipe, STEPS_PER_EPOCH)
        return step, step.tensors()

    def fresh(recipe: Recipe) -> TrainingStep:
        step, initial = make(recipe)
        step.load(initial, 0)
        return step

    return fresh


def test_step_is_momentum_on_the_gradients_and_the_l2_term(made: Maker) -> None:
    step = made(RECIPE)
    step.step = 7  # the last before the rate drops: the momentum must not carry the old rate
    for _ in range(2):
        before, rate = step.tensors(), step.learning_rate
        _, flat = step.gradients(*draw_batch())
        gradients = flat.astype(np.float64)
        step.apply(flat)
        after = step.tensors()
        assert rate == pytest.approx(0.05 if step.step == 8 else 0.005)
        for name in [name for name in before if name.startswith("momentum/")]:
            weight = name.replace("momentum/", "weights/")
            gradient, gradients = np.split(gradients, [before[name].size])
            decay = 0 if name.endswith(("/gamma", "/beta")) else 1e-2
            momentum = 0.9 * before[name] + gradient.reshape(before[name].shape) + decay * before[weight]
            np.testing.assert_allclose(after[name], momentum, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(after[weight], before[weight] - rate * momentum, rtol=1e-4, atol=1e-6)
        assert gradients.size == 0


def test_whole_step_is_its_halves(made: Maker) -> None:
    step = made(LEARNING)
    for _ in range(3):
        step.run(*draw_batch())
    kept = step.tensors()
    loss = step.run(*draw_batch())
    whole = step.tensors()
    step.load(kept, 3)
    half_loss, gradients = step.gradients(*draw_batch())
    step.apply(gradients)
    halves = step.tensors()
    assert step.step == 4
    assert gradients.shape == (step.parameters,)
    assert gradients.dtype == np.float32
    assert loss == pytest.approx(half_loss, rel=1e-6)
    for name, array in whole.items():
        np.testing.assert_allclose(halves[name], array, rtol=1e-5, atol=1e-7, err_msg=name)


def test_gradients_of_two_halves_average_to_those_of_the_whole_where_batch_norm_is_frozen(made: Maker) -> None:
    images, labels = draw_batch()
    frozen = replace(RECIPE, freeze_batch_norm=True)
    loss, whole = made(frozen).gradients(images, labels)
    half = made(replace(frozen, batch_size=4))
    statistics = half.moving_statistics()
    first_loss, first = half.gradients(images[:4], labels[:4])
    second_loss, second = half.gradients(images[4:], labels[4:])
    assert np.abs(whole).max() > 1e-3
    np.testing.assert_allclose((first + second) / 2, whole, rtol=1e-3, atol=1e-5 * float(np.abs(whole).max()))
    assert (first_loss + second_loss) / 2 == pytest.approx(loss, rel=1e-5)
    assert np.array_equal(half.moving_statistics(), statistics)


def test_loss_is_cross_entropy_and_the_l2_term_of_all_but_batch_norm(made: Maker) -> None:
    step = made(RECIPE)
    images, labels = draw_batch()
    state = step.tensors() | {"weights/dense/bias": np.arange(11, dtype=np.float32)}
    step.load(state, 0)
    weights = {name: weight.astype(np.float64) for name, weight in state.items() if name.startswith("weights/")}
    l2 = sum((weight**2).sum() for name, weight in weights.items() if name.endswith(("/kernel", "/bias"))) / 2
    logits = np.asarray(step._model(images, training=True), np.float64)
    cross_entropy = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(8), labels])
    assert step.gradients(images, labels)[0] == pytest.approx(cross_entropy + 1e-2 * l2, rel=1e-5)


def test_label_smoothing_spreads_its_share_over_all_classes() -> None:
    logits = np.array([[1, 2, 4], [0, -1, 3]], np.float32)
    logarithms = np.log(np.exp(logits).sum(axis=1, keepdims=True)) - logits
    plain, smooth = (np.asarray(_cross_entropy(np.array([2, 1]), logits, smoothing)) for smoothing in (0.0, 0.3))
    np.testing.assert_allclose(plain, [logarithms[0, 2], logarithms[1, 1]], rtol=1e-6)
    np.testing.assert_allclose(smooth, 0.7 * plain + 0.3 * logarithms.mean(axis=1), rtol=1e-6)


def test_rate_follows_the_recipe(made: Maker) -> None:
    step = made(RECIPE)
    rates = []
    for step.step in (0, 1, 4, 8):
        rates.append(step.learning_rate)
    assert rates == pytest.approx([0.0, 0.0125, 0.05, 0.005])


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_loss_falls(made: Maker, precision: Precision) -> None:
    step = made(replace(LEARNING, precision=precision))
    losses = [step.run(*draw_batch()) for _ in range(12)]
    assert step.step == 12
    assert np.median(losses[-4:]) < 0.5 * np.median(losses[:4])


def test_loaded_state_goes_on_bit_for_bit(made: Maker) -> None:
    step = made(LEARNING)
    for seed in range(2):
        step.run(*draw_batch(seed))
    kept, at = {name: array.copy() for name, array in step.tensors().items()}, step.step
    gone_on = [step.run(*draw_batch(seed)) for seed in (2, 3)], step.tensors()
    step.load(kept, at)
    assert ([step.run(*draw_batch(seed)) for seed in (2, 3)], 4) == (gone_on[0], step.step)
    again = step.tensors()
    assert all(again[name].tobytes() == array.tobytes() for name, array in gone_on[1].items())


def test_state_is_every_weight_and_the_momentum_of_those_that_train(made: Maker) -> None:
    names = set(made(RECIPE).tensors())
    weights = {name.removeprefix("weights/") for name in names if name.startswith("weights/")}
    momenta = {name.removeprefix("momentum/") for name in names if name.startswith("momentum/")}
    assert len(weights) == CONVOLUTIONS * 5 + 2
    assert momenta == {name for name in weights if not name.endswith(("/mean", "/variance"))}
    assert len(names) == len(weights) + len(momenta)


def test_state_of_another_architecture_is_refused_and_changes_nothing(made: Maker) -> None:
    step = made(RECIPE)
    tensors = {name: array + 1 for name, array in step.tensors().items()}
    before = step.tensors()
    without = {name: array for name, array in tensors.items() if name != "momentum/dense/bias"}
    with pytest.raises(InputError, match=r"^The array momentum/dense/bias is missing: pass a checkpoint of this arch"):
        step.load(without, 5)
    with pytest.raises(InputError, match=r"^The array weights/more is unknown: "):
        step.load(tensors | {"weights/more": np.zeros(1, np.float32)}, 5)
    with pytest.raises(InputError, match=r"^The array weights/dense/bias has shape \(12,\) instead of \(11,\): "):
        step.load(tensors | {"weights/dense/bias": np.zeros(12, np.float32)}, 5)
    assert step.step == 0
    assert all(np.array_equal(array, before[name]) for name, array in step.tensors().items())


def test_moving_statistics_come_and_go_as_one_vector(made: Maker) -> None:
    step = made(RECIPE)
    step.run(*draw_batch())
    moved = step.moving_statistics()
    channels = sum(array.size for name, array in step.tensors().items() if name.endswith(("/mean", "/variance")))
    assert moved.shape == (channels,)
    assert moved.dtype == np.float32
    other = (moved + np.arange(channels)).astype(np.float32)
    step.set_moving_statistics(other)
    assert np.array_equal(step.moving_statistics(), other)
    assert step.tensors()["weights/conv1/mean"][2] == other[2]


def test_correct_answers_are_counted_for_any_number_of_images(made: Maker) -> None:
    step = made(LEARNING)
    for seed in range(3):
        step.run(*draw_batch(seed))
    images, labels = draw_batch(9, images=23)
    ranks = rank_labels(step._predict(images).numpy(), labels)
    assert len(set(ranks)) > 3
    assert step.count_correct(images, labels) == ((ranks < 1).sum(), (ranks < 5).sum())
    parts = [step.count_correct(images[part], labels[part]) for part in (slice(9), slice(9, 10), slice(10, None))]
    assert np.sum(parts, axis=0).tolist() == [(ranks < 1).sum(), (ranks < 5).sum()]
    assert step._predict.experimental_get_tracing_count() == 1


def test_equal_answers_are_ranked_by_their_index(made: Maker) -> None:
    step = made(LEARNING)
    flat = {name: np.zeros_like(array) for name, array in step.tensors().items()}
    step.load(flat, 0)
    images, _ = draw_batch(images=6)
    assert step.count_correct(images, np.array([0, 1, 4, 5, 10, 0], np.int32)) == (2, 4)


def test_blocks_start_as_identity_where_the_recipe_says_so(made: Maker) -> None:
    for recipe, starts in ((LEARNING, False), (RECIPE, True)):
        tensors = made(recipe).tensors()
        last = [tensors[name] for name in tensors if name.startswith("weights/") and name.endswith("/conv3/gamma")]
        assert len(last) == BLOCKS
        assert np.any(np.concatenate(last)) == starts


def test_two_processes_train_alike_bit_for_bit() -> None:
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__], env={**environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True
        )
        for seed in "70"
    ]
    first, second = (process.communicate(timeout=120)[0].split()[-len(BOTH) :] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert first == second
    assert len(set(first)) == len(BOTH)


def train_digest(step: TrainingStep) -> str:
    """Train three steps and digest all of the state."""
    for seed in range(3):
        step.run(*draw_batch(seed))
    digest = hashlib.sha256()
    for name, array in step.tensors().items():
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()


BOTH = [replace(LEARNING, precision=precision) for precision in (Precision.FP32, Precision.BF16)]

if __name__ == "__main__":
    with shallow_network():
        sys.stdout.write(" ".join(train_digest(TrainingStep(recipe, STEPS_PER_EPOCH)) for recipe in BOTH))
