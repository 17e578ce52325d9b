"""The options of training; what is left out, the recipe decides."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet_fixtures.option_values import (
    parse_count,
    parse_epochs,
    parse_fraction,
    parse_names,
    parse_number,
    parse_positive,
    parse_rising_epochs,
    parse_whole_epochs,
)
from resnet_fixtures.paths import parse_path
from resnet_fixtures.training.digits import DIGITS_RECIPE
from resnet_fixtures.training.recipe import FINE_TUNE_LEARNING_RATE, Augmentation, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pytest

LOG_EVERY = 100  # steps; the launcher's
RECIPE_OPTIONS: dict[str, Callable[[str], Any]] = {
    "base_learning_rate": parse_number,
    "momentum": parse_fraction,
    "warmup_epochs": parse_epochs,
    "drop_epochs": parse_rising_epochs,
    "weight_decay": parse_number,
    "label_smoothing": parse_fraction,
    "seed": parse_count,
}
RECIPE_HELP = {
    "base_learning_rate": "learning rate of a global batch of 256",
    "momentum": "of SGD",
    "warmup_epochs": "epochs in which the learning rate rises from 0",
    "drop_epochs": "epochs at which the learning rate is multiplied by 0.1",
    "weight_decay": "of all weights but batch norm's",
    "label_smoothing": "share of the label that is spread over all classes",
    "seed": "of weights, data order and augmentation",
}


@dataclass(frozen=True)
class TrainingOptions:
    """What the user asked for; None leaves the choice to the suite, `recipe` has the given fields of Recipe alone."""

    recipe: Mapping[str, Any]
    fine_tune: bool
    train_steps: int | None
    train_epochs: int | None
    epochs_between_evals: int | None
    stop_threshold: float | None
    checkpoint: Path | None
    tensorboard: Path | None
    log_every: int
    evaluate: bool
    mlperf_runs: int
    processes: int | None
    processes_per_socket: int | None
    hostnames: tuple[str, ...]
    dry_run: bool

    def recipe_changes(self) -> dict[str, Any]:
        """Return the fields in which the user's recipe differs from the suite's."""
        rate = {"base_learning_rate": FINE_TUNE_LEARNING_RATE} if self.fine_tune else {}
        return {**self.recipe, **rate}


def add_training_options(group: pytest.OptionGroup) -> None:
    """Register the options; their names follow the flags of the launcher and of MLPerf's reference."""
    for field, parse in RECIPE_OPTIONS.items():
        kind = "N[,N…]" if isinstance(getattr(Recipe(), field), tuple) else "N"
        text = f"training: {RECIPE_HELP[field]} ({_defaults(field)})"
        group.addoption(f"--{field.replace('_', '-')}", type=parse, metavar=kind, help=text)
    group.addoption(
        "--augmentation", type=parse_augmentation, metavar="KIND",
        help=f"training: {_augmentations()} ({_defaults('augmentation')})",
    )  # fmt: skip
    group.addoption(
        "--fine-tune", action="store_true", help=f"training: a --base-learning-rate of {FINE_TUNE_LEARNING_RATE}"
    )
    _add_run_options(group)
    _add_mpi_options(group)


def _defaults(field: str) -> str:
    """Say what a recipe has where the user says nothing, and what the digits' has where that is something else."""
    default, digits = (_show(getattr(recipe, field)) for recipe in (Recipe(), DIGITS_RECIPE))
    return f"default {default}" if digits == default else f"default {default}; digits {digits}"


def _show(value: float | tuple[float, ...] | Augmentation) -> str:
    if isinstance(value, Augmentation):
        return value.value
    return ",".join(f"{one:g}" for one in value) if isinstance(value, tuple) else f"{value:g}"


def parse_augmentation(text: str) -> Augmentation:
    """Parse one of Augmentation's values."""
    try:
        return Augmentation(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no augmentation; pass {_augmentations()}") from None


def _augmentations() -> str:
    *first, last = (repr(one.value) for one in Augmentation)
    return f"{', '.join(first)} or {last}"


def _add_run_options(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--train-steps", type=parse_positive, metavar="N", help="steps of a trial (default: as --max-time allows)"
    )
    group.addoption(
        "--train-epochs", type=parse_whole_epochs, metavar="N", help="epochs at most (default 90; digits 9)"
    )
    group.addoption(
        "--epochs-between-evals",
        type=parse_whole_epochs,
        metavar="N",
        help="evaluate after every Nth epoch (default 1)",
    )
    group.addoption(
        "--stop-threshold", type=parse_fraction, metavar="TOP1", help="stop at this top-1 (default 0.759; digits 0.97)"
    )
    group.addoption(
        "--checkpoint", type=parse_path, metavar="DIR", help="save the training there, and go on with what is there"
    )
    group.addoption("--tensorboard", type=parse_path, metavar="DIR", help="write TensorBoard's event files there")
    group.addoption(
        "--log-every", type=parse_positive, default=LOG_EVERY, metavar="N",
        help="steps between two lines of a training's log (default %(default)s)",
    )  # fmt: skip
    group.addoption("--eval", action="store_true", help="freeze the trained model and score it as inference does")
    group.addoption(
        "--mlperf-runs", type=parse_positive, default=1, metavar="N",
        help="train so often, each with the next seed; five runs give MLPerf's score (default %(default)s)",
    )  # fmt: skip


def _add_mpi_options(group: pytest.OptionGroup) -> None:
    group.addoption("--mpi-num-processes", type=parse_positive, metavar="N", help="train with N processes (default 1)")
    group.addoption("--mpi-num-processes-per-socket", type=parse_positive, metavar="N", help="of them on each socket")
    group.addoption("--mpi-hostnames", type=parse_names, default=(), metavar="A[,B…]", help="the machines to train on")
    group.addoption("--mpi-dry-run", action="store_true", help="show mpirun's arguments and start nothing")


def read_training_options(get: Callable[[str], Any]) -> TrainingOptions:
    """Return the options of training as one value; `get` looks an option up."""
    fields = (*RECIPE_OPTIONS, "augmentation")
    given = {field: get(f"--{field.replace('_', '-')}") for field in fields}
    return TrainingOptions(
        recipe={field: value for field, value in given.items() if value is not None},
        fine_tune=get("--fine-tune"),
        train_steps=get("--train-steps"),
        train_epochs=get("--train-epochs"),
        epochs_between_evals=get("--epochs-between-evals"),
        stop_threshold=get("--stop-threshold"),
        checkpoint=get("--checkpoint"),
        tensorboard=get("--tensorboard"),
        log_every=get("--log-every"),
        evaluate=get("--eval"),
        mlperf_runs=get("--mlperf-runs"),
        processes=get("--mpi-num-processes"),
        processes_per_socket=get("--mpi-num-processes-per-socket"),
        hostnames=get("--mpi-hostnames"),
        dry_run=get("--mpi-dry-run"),
    )
