from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.options import read_options
from resnet_fixtures.training.recipe import Augmentation, Recipe
from resnet_fixtures.training_options import RECIPE_OPTIONS, TrainingOptions, add_training_options, parse_augmentation

if TYPE_CHECKING:
    from tests.plugin.conftest import SuiteRunner

TEST = "def test_nothing():\n    raise AssertionError('a test ran')\n"


def read(pytester: pytest.Pytester, *arguments: str) -> TrainingOptions:
    return read_options(pytester.parseconfig("-p", "resnet_fixtures.plugin", *arguments)).training


def test_defaults_leave_the_recipe_to_the_suite(pytester: pytest.Pytester) -> None:
    assert read(pytester) == TrainingOptions(
        recipe={},
        fine_tune=False,
        train_steps=None,
        train_epochs=None,
        epochs_between_evals=None,
        stop_threshold=None,
        checkpoint=None,
        tensorboard=None,
        log_every=100,
        evaluate=False,
        mlperf_runs=1,
        processes=None,
        processes_per_socket=None,
        hostnames=(),
        dry_run=False,
    )


@pytest.mark.parametrize(
    ("argument", "field", "value"),
    [
        ("--base-learning-rate=0.2", "base_learning_rate", 0.2),
        ("--momentum=0", "momentum", 0.0),
        ("--warmup-epochs=2.5", "warmup_epochs", 2.5),
        ("--drop-epochs=1,2", "drop_epochs", (1.0, 2.0)),
        ("--drop-epochs=", "drop_epochs", ()),
        ("--weight-decay=0", "weight_decay", 0.0),
        ("--label-smoothing=0.1", "label_smoothing", 0.1),
        ("--seed=0", "seed", 0),
        ("--augmentation=none", "augmentation", Augmentation.NONE),
        ("--augmentation=crop and flip", "augmentation", Augmentation.CROP_AND_FLIP),
        ("--fine-tune", "base_learning_rate", 0.1),
    ],
)
def test_option_changes_its_field_of_the_recipe_alone(
    pytester: pytest.Pytester, argument: str, field: str, value: object
) -> None:
    assert read(pytester, argument).recipe_changes() == {field: value}


@pytest.mark.parametrize(
    ("argument", "field", "value"),
    [
        ("--train-steps=200", "train_steps", 200),
        ("--train-epochs=3", "train_epochs", 3),
        ("--epochs-between-evals=4", "epochs_between_evals", 4),
        ("--stop-threshold=0", "stop_threshold", 0.0),
        ("--checkpoint=a/b", "checkpoint", Path("a/b")),
        ("--tensorboard=board", "tensorboard", Path("board")),
        ("--log-every=10", "log_every", 10),
        ("--eval", "evaluate", True),
        ("--mlperf-runs=5", "mlperf_runs", 5),
        ("--mpi-num-processes=8", "processes", 8),
        ("--mpi-num-processes-per-socket=4", "processes_per_socket", 4),
        ("--mpi-hostnames=a,b", "hostnames", ("a", "b")),
        ("--mpi-dry-run", "dry_run", True),
    ],
)
def test_option_of_a_run(pytester: pytest.Pytester, argument: str, field: str, value: object) -> None:
    assert getattr(read(pytester, argument), field) == value
    assert read(pytester, argument).recipe_changes() == {}


def test_help_names_the_recipe_s_own_defaults() -> None:
    parser = pytest.Parser(_ispytest=True)
    add_training_options(parser.getgroup("training"))
    helps: dict[str, Any] = {
        option.names()[0]: option.attrs()["help"] for group in parser._groups for option in group.options
    }
    for field in RECIPE_OPTIONS:
        value = getattr(Recipe(), field)
        shown = ",".join(f"{one:g}" for one in value) if isinstance(value, tuple) else f"{value:g}"
        assert f"(default {shown}" in helps[f"--{field.replace('_', '-')}"]
    assert helps["--weight-decay"].endswith("(default 0.0001)")
    assert helps["--base-learning-rate"].endswith("(default 0.128; digits 0.4)")
    assert helps["--drop-epochs"].endswith("(default 30,60,80,90; digits 6,7,8)")
    kinds = "'crop and flip', 'shift' or 'none' (default crop and flip; digits shift)"
    assert helps["--augmentation"].endswith(kinds)


def test_augmentation() -> None:
    assert parse_augmentation("shift") is Augmentation.SHIFT
    message = "^'mirror' is no augmentation; pass 'crop and flip', 'shift' or 'none'$"
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        parse_augmentation("mirror")


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("--base-learning-rate=fast", "--base-learning-rate: 'fast' is not a number"),
        ("--base-learning-rate=-1", "--base-learning-rate: -1 is not a number from 0; pass one such as 0.1"),
        ("--momentum=1", "--momentum: 1 is not between 0 and 1; *"),
        ("--warmup-epochs=nan", "--warmup-epochs: nan is not a number from 0; *"),
        ("--warmup-epochs=1e308", "--warmup-epochs: 1e308 is more than 1000000 epochs; pass at most as many"),
        ("--drop-epochs=30,1e308", "--drop-epochs: 1e308 is more than 1000000 epochs; pass at most as many"),
        ("--train-epochs=1000001", "--train-epochs: 1000001 is more than 1000000 epochs; pass at most as many"),
        ("--epochs-between-evals=1000001", "--epochs-between-evals: 1000001 is more than 1000000 epochs; *"),
        ("--drop-epochs=60,30", "--drop-epochs: 60,30 does not rise; pass numbers such as 30,60,80"),
        ("--weight-decay=inf", "--weight-decay: inf is not a number from 0; *"),
        ("--label-smoothing=2", "--label-smoothing: 2 is not between 0 and 1; *"),
        ("--seed=-1", "--seed: -1 is negative; *"),
        ("--augmentation=mirror", "--augmentation: 'mirror' is no augmentation; *"),
        ("--train-steps=0", "--train-steps: 0 is not positive; *"),
        ("--train-epochs=1.5", "--train-epochs: '1.5' is not a whole number; *"),
        ("--epochs-between-evals=0", "--epochs-between-evals: 0 is not positive; *"),
        ("--stop-threshold=75.9", "--stop-threshold: 75.9 is not between 0 and 1; *"),
        ("--log-every=0", "--log-every: 0 is not positive; *"),
        ("--mlperf-runs=0", "--mlperf-runs: 0 is not positive; *"),
        ("--mpi-num-processes=0", "--mpi-num-processes: 0 is not positive; *"),
        ("--mpi-num-processes-per-socket=-4", "--mpi-num-processes-per-socket: -4 is negative; *"),
        ("--mpi-hostnames=a,,b", "--mpi-hostnames: 'a,,b' has an empty or a double name; pass names such as a,b"),
    ],
)
def test_bad_value(pytester: pytest.Pytester, run_suite: SuiteRunner, argument: str, sentence: str) -> None:
    pytester.makepyfile(TEST)
    result = run_suite(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*error: argument {sentence}"])
    assert "Traceback" not in result.stderr.str()
    assert "a test ran" not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--fine-tune", "--base-learning-rate=0.2"),
            "--fine-tune and --base-learning-rate both set the learning rate: pass one of them.",
        ),
        (
            ("--mpi-num-processes-per-socket=2",),
            "--mpi-num-processes-per-socket says where processes go: pass --mpi-num-processes N too.",
        ),
    ],
)
def test_options_that_do_not_go_together(
    pytester: pytest.Pytester, run_suite: SuiteRunner, arguments: tuple[str, ...], sentence: str
) -> None:
    pytester.makepyfile(TEST)
    result = run_suite(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
    assert result.stderr.str().count("ERROR") == 1
    assert "a test ran" not in result.stdout.str()
