"""Turn options, machine and data into a training's order: the recipe of MLPerf's reference, or that of the digits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.training.digits import DIGITS_EPOCHS, DIGITS_RECIPE, DIGITS_TOP1
from resnet_fixtures.training.layout import Layout, ranks_plan
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from resnet_fixtures.precision import Precision
    from resnet_fixtures.suite import Suite
    from resnet_fixtures.training_options import TrainingOptions

TRIAL_STEPS = 15  # 12 of them timed: enough for an interval, and for a loss that falls by half
MIN_TRIAL_STEPS = 12  # whatever --max-time says: three warm-ups, and a first and a last quarter to compare
IMAGENET_EPOCHS = 90
MLPERF_TOP1 = 0.759  # MLPerf Training's quality target for ResNet-50 v1.5
DEFAULT_RANKS = 2  # of the distributed tests
ALONE = Layout()


def make_layout(options: TrainingOptions, default_processes: int = 1) -> Layout:
    """Return how many processes train, and where."""
    return Layout(options.processes or default_processes, options.processes_per_socket, options.hostnames)


def trial_order(suite: Suite, precision: Precision, batch_size: int, layout: Layout) -> Order:
    """Return a trial on ImageNet's train split or on dummies: some steps, no evaluation."""
    options = suite.options.training
    recipe = replace(Recipe(precision=precision, batch_size=batch_size), **options.recipe_changes())
    order = _make_order(suite, recipe, layout, f"trial_{precision}_bs{batch_size}_{layout.processes}")
    if options.train_steps:
        return replace(order, train_steps=options.train_steps)
    return replace(
        order, train_steps=TRIAL_STEPS, max_time_s=suite.options.budget.max_time_s, min_steps=MIN_TRIAL_STEPS
    )


def convergence_order(suite: Suite, precision: Precision, layout: Layout, location: Path, run: int = 0) -> Order:
    """Return a training to the target at `location`: ImageNet's where there is a --data-location, else the digits'.

    `run` counts the runs of --mlperf-runs from 0; each has a seed of its own.
    """
    options = suite.options.training
    is_imagenet = suite.options.data_location is not None
    recipe = replace(Recipe() if is_imagenet else DIGITS_RECIPE, precision=precision, **options.recipe_changes())
    recipe = replace(recipe, batch_size=_batch_size(suite) or recipe.batch_size, seed=recipe.seed + run)
    order = _make_order(suite, recipe, layout, f"convergence_{precision}" + (f"_{run + 1}" if run else ""))
    return replace(
        order,
        data_location=location,
        train_epochs=options.train_epochs or (IMAGENET_EPOCHS if is_imagenet else DIGITS_EPOCHS),
        epochs_between_evals=options.epochs_between_evals or 1,
        stop_threshold=target(suite),
    )


def target(suite: Suite) -> float:
    """Return the top-1 at which a training stops."""
    threshold = suite.options.training.stop_threshold
    if threshold is not None:
        return threshold
    return DIGITS_TOP1 if suite.options.data_location is None else MLPERF_TOP1


def _make_order(suite: Suite, recipe: Recipe, layout: Layout, name: str) -> Order:
    options = suite.options.training
    plan = ranks_plan(layout, suite.topology, suite.plan)[0]
    return Order(
        replace(recipe, ranks=layout.processes),
        threads=plan.intra,
        data_threads=plan.data_intra,
        data_location=suite.options.data_location,
        checkpoint=options.checkpoint and options.checkpoint / name,
        tensorboard=options.tensorboard and options.tensorboard / name,
    )


def _batch_size(suite: Suite) -> int | None:
    sizes = suite.options.batch_sizes
    if sizes and len(sizes) > 1:
        raise InputError(f"--batch-size {','.join(map(str, sizes))}: a training to the target takes one.")
    return sizes[0] if sizes else None
