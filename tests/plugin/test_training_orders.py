from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.precision import Precision
from resnet_fixtures.suite import Suite, make_suite
from resnet_fixtures.training.digits import DIGITS_EPOCHS, DIGITS_RECIPE, DIGITS_TOP1
from resnet_fixtures.training.layout import Layout
from resnet_fixtures.training.recipe import Augmentation, Recipe
from resnet_fixtures.training_orders import (
    ALONE,
    MIN_TRIAL_STEPS,
    TRIAL_STEPS,
    convergence_order,
    make_layout,
    target,
    trial_order,
)

if TYPE_CHECKING:
    from resnet_fixtures.training.order import Order

FOLDER = Path("images")


def read(pytester: pytest.Pytester, *arguments: str) -> Suite:
    return make_suite(pytester.parseconfig("-p", "resnet_fixtures.plugin", *arguments))


def trial(pytester: pytest.Pytester, *arguments: str, layout: Layout = ALONE) -> Order:
    return trial_order(read(pytester, *arguments), Precision.FP32, 16, layout)


def converge(pytester: pytest.Pytester, *arguments: str, run: int = 0) -> Order:
    return convergence_order(read(pytester, *arguments), Precision.BF16, ALONE, FOLDER, run)


def test_trial_is_the_reference_s_recipe_on_dummies(pytester: pytest.Pytester) -> None:
    order = trial(pytester, "--max-time=5")
    assert order.recipe == Recipe(batch_size=16)
    assert (order.train_steps, order.max_time_s, order.min_steps) == (TRIAL_STEPS, 5.0, MIN_TRIAL_STEPS)
    assert (order.data_location, order.checkpoint, order.tensorboard) == (None, None, None)


def test_trial_with_its_steps_given_has_no_limit_of_time(pytester: pytest.Pytester) -> None:
    order = trial(pytester, "--train-steps=200", "--max-time=1")
    assert (order.train_steps, order.max_time_s) == (200, None)


def test_trial_s_folders_tell_precisions_and_processes_apart(pytester: pytest.Pytester) -> None:
    order = trial(pytester, "--checkpoint=c", "--tensorboard=t", "--data-location=images")
    assert order.checkpoint == Path("c/trial_fp32_bs16_1")
    assert order.tensorboard == Path("t/trial_fp32_bs16_1")
    assert order.data_location == FOLDER


def test_threads_are_those_of_the_plan(pytester: pytest.Pytester) -> None:
    suite = read(pytester, "--num-cores=1")
    order = trial_order(suite, Precision.FP32, 16, ALONE)
    assert (order.threads, order.data_threads) == (suite.plan.intra, suite.plan.data_intra)


def test_each_rank_has_its_share_of_the_threads(pytester: pytest.Pytester) -> None:
    suite = read(pytester)
    cores = len(suite.topology.restrict(suite.plan.cpus).cores)
    if cores < 2:
        pytest.skip("needs 2 cores")
    order = trial_order(suite, Precision.FP32, 16, Layout(2))
    assert order.recipe.ranks == 2
    assert order.recipe.global_batch == 32
    assert order.threads == cores // 2


def test_run_to_the_target_is_the_digits_own(pytester: pytest.Pytester) -> None:
    order = converge(pytester)
    assert order.recipe == replace(DIGITS_RECIPE, precision=Precision.BF16)
    assert (order.train_epochs, order.epochs_between_evals, order.stop_threshold) == (DIGITS_EPOCHS, 1, DIGITS_TOP1)
    assert order.train_steps is None
    assert order.data_location == FOLDER


def test_run_to_the_target_is_mlperf_s_on_imagenet(pytester: pytest.Pytester) -> None:
    order = converge(pytester, "--data-location=images")
    assert order.recipe == Recipe(precision=Precision.BF16)
    assert (order.train_epochs, order.epochs_between_evals, order.stop_threshold) == (90, 1, 0.759)
    assert order.recipe.architecture == Architecture()


def test_options_win(pytester: pytest.Pytester) -> None:
    given = (
        "--batch-size=8", "--base-learning-rate=0.5", "--momentum=0.8", "--warmup-epochs=0", "--drop-epochs=2",
        "--weight-decay=0", "--label-smoothing=0.1", "--augmentation=none", "--seed=7", "--train-epochs=3",
        "--epochs-between-evals=2", "--stop-threshold=0", "--checkpoint=c",
    )  # fmt: skip
    order = converge(pytester, *given)
    assert order.recipe == Recipe(
        DIGITS_RECIPE.architecture,
        Precision.BF16,
        batch_size=8,
        base_learning_rate=0.5,
        momentum=0.8,
        warmup_epochs=0.0,
        drop_epochs=(2.0,),
        weight_decay=0.0,
        label_smoothing=0.1,
        augmentation=Augmentation.NONE,
        zero_last_gamma=True,
        seed=7,
    )
    assert (order.train_epochs, order.epochs_between_evals, order.stop_threshold) == (3, 2, 0.0)
    assert order.checkpoint == Path("c/convergence_bf16")
    assert trial(pytester, *given).recipe.base_learning_rate == 0.5


@pytest.mark.parametrize("location", [(), ("--data-location=images",)])
def test_fine_tuning_is_a_lower_rate(pytester: pytest.Pytester, location: tuple[str, ...]) -> None:
    assert converge(pytester, "--fine-tune", *location).recipe.base_learning_rate == 0.1
    assert trial(pytester, "--fine-tune", *location).recipe.base_learning_rate == 0.1


@pytest.mark.parametrize(
    ("run", "seed", "folder"), [(0, 5, "convergence_bf16"), (1, 6, "convergence_bf16_2"), (4, 9, "convergence_bf16_5")]
)
def test_each_run_has_a_seed_and_a_folder_of_its_own(
    pytester: pytest.Pytester, run: int, seed: int, folder: str
) -> None:
    order = converge(pytester, "--seed=5", "--checkpoint=c", run=run)
    assert order.recipe.seed == seed
    assert order.checkpoint == Path("c") / folder


def test_run_to_the_target_takes_one_batch_size(pytester: pytest.Pytester) -> None:
    with pytest.raises(InputError, match=r"^--batch-size 16,32: a training to the target takes one\.$"):
        converge(pytester, "--batch-size=16,32")


@pytest.mark.parametrize(
    ("arguments", "top1"),
    [((), DIGITS_TOP1), (("--data-location=x",), 0.759), (("--data-location=x", "--stop-threshold=0.5"), 0.5)],
)
def test_target(pytester: pytest.Pytester, arguments: tuple[str, ...], top1: float) -> None:
    assert target(read(pytester, *arguments)) == top1


def test_layout(pytester: pytest.Pytester) -> None:
    assert make_layout(read(pytester).options.training) == ALONE
    assert make_layout(read(pytester).options.training, 2) == Layout(2)
    given = ("--mpi-num-processes=8", "--mpi-num-processes-per-socket=4", "--mpi-hostnames=a,b")
    assert make_layout(read(pytester, *given).options.training, 2) == Layout(8, 4, ("a", "b"))
