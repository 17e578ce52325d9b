"""Trainings that could not begin: exit status 4 and one sentence before the first image, and what the dry run shows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.data.location import find_split
from resnet_fixtures.gate.run_file import write_run
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.checkpoint import Checkpoint, CheckpointFolder
from resnet_fixtures.training.data_digests import DUMMY, DataDigests
from resnet_fixtures.training.mpirun import find_mpirun
from resnet_fixtures.training.recipe import Recipe
from tests.plugin.conftest import TESTS
from tests.plugin.told_trainings import MPIRUN, pretend_mpirun, tell_convergence, tell_trainings, tell_trial
from tests.plugin.training.train_split import write_train_split

if TYPE_CHECKING:
    from pathlib import Path

    from resnet_fixtures.data.split import Split
    from tests.plugin.conftest import SplitWriter, SuiteRunner

TRAINING = TESTS / "training"
TRIAL, TARGET, SEVERAL = (
    ("-m", f"fp32 and {kind}") for kind in ("not distributed and not mlperf", "mlperf", "distributed")
)
NEEDS_TWO_CORES = pytest.mark.skipif(len(read_topology().physical) < 2, reason="needs 2 cores")
RECIPE = Recipe(batch_size=16)  # a trial's


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test whose run would begin to train."""
    monkeypatch.setattr("resnet_fixtures.training_runs.run_ranks", None)
    monkeypatch.setattr("resnet_fixtures.timed_training.executed_kernels", None)


def refuses(result: pytest.RunResult, sentence: str) -> None:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
    output = result.stderr.str() + result.stdout.str()
    assert output.count("ERROR") == 1
    assert "Traceback" not in output
    assert not {"passed", "failed", "skipped", "errors"} & set(result.parseoutcomes())


def save(folder: Path, recipe: Recipe = RECIPE, data: str = DUMMY) -> Path:
    with CheckpointFolder(folder) as checkpoints:
        tensors = {"weights/a": np.ones(3, np.float32)}
        return checkpoints.save(Checkpoint(tensors, 7, recipe, DataDigests(data)), is_best=False)


@pytest.mark.parametrize("kind", [TRIAL, TARGET], ids=["trial", "target"])
def test_no_train_split(run_suite: SuiteRunner, write_validation: SplitWriter, kind: tuple[str, str]) -> None:
    location = write_validation([1, 2, 3, 4])
    refuses(
        run_suite(f"--data-location={location}", *kind, tests=[TRAINING]),
        f"The data location {location} has no train split: name a folder of TFRecords named train-00000-of-00128 *",
    )


def test_run_to_the_target_needs_a_validation_split(run_suite: SuiteRunner, tmp_path: Path) -> None:
    write_train_split(tmp_path, [4])
    result = run_suite(f"--data-location={tmp_path}", *TARGET, tests=[TRAINING])
    refuses(result, f"The data location {tmp_path} has no validation split: *")


@pytest.mark.parametrize("has_validation", [True, False])
def test_trial_needs_a_train_split_alone(
    run_suite: SuiteRunner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_validation: SplitWriter,
    has_validation: bool,
) -> None:
    location = write_validation([1, 2]) if has_validation else tmp_path
    write_train_split(location, [4])
    told = tell_trainings(monkeypatch, tell_trial)
    run_suite(f"--data-location={location}", "--batch-size=4", *TRIAL, tests=[TRAINING]).assert_outcomes(
        passed=1, deselected=5
    )
    assert told.orders[0].data_location == location


@pytest.mark.parametrize("kind", [TRIAL, TARGET], ids=["trial", "target"])
def test_batch_larger_than_the_train_split(
    run_suite: SuiteRunner, write_validation: SplitWriter, kind: tuple[str, str]
) -> None:
    location = write_validation([1, 2, 3, 4, 5, 6, 7, 8])
    write_train_split(location, [2, 2])
    result = run_suite(f"--data-location={location}", "--batch-size=5", *kind, tests=[TRAINING])
    refuses(result, "The training set has 4 images, less than a global batch of 5: pass a smaller --batch-size.")


def test_batch_larger_than_the_digits(run_suite: SuiteRunner) -> None:
    result = run_suite("--batch-size=1438", *TARGET, tests=[TRAINING])
    refuses(result, "The training set has 1437 images, less than a global batch of 1438: pass a smaller --batch-size.")


def test_batch_larger_than_the_memory(run_suite: SuiteRunner) -> None:
    result = run_suite("--batch-size=1000000000", *TRIAL, tests=[TRAINING])
    refuses(result, "--batch-size 1000000000 takes 560760 GiB for its images alone, this run may use * GiB: pass *")


def test_several_batch_sizes_for_the_run_to_the_target(run_suite: SuiteRunner) -> None:
    result = run_suite("--batch-size=16,32", *TARGET, tests=[TRAINING])
    refuses(result, "--batch-size 16,32: a training to the target takes one.")


def test_too_few_steps_to_time(run_suite: SuiteRunner) -> None:
    result = run_suite("--train-steps=11", *TRIAL, tests=[TRAINING])
    refuses(result, "--train-steps 11 is too short a trial to be timed: pass 12 or more.")


@NEEDS_TWO_CORES
def test_more_processes_than_files(run_suite: SuiteRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_mpirun(monkeypatch)
    write_train_split(tmp_path, [8])
    result = run_suite(
        f"--data-location={tmp_path}", "--mpi-num-processes=2", "--batch-size=2", *SEVERAL, tests=[TRAINING]
    )
    refuses(
        result,
        f"{tmp_path} has 1 train-[*]-of-[*] files for 2 processes: write more files, or pass a smaller --mpi-num-*",
    )


@pytest.mark.parametrize("kind", [SEVERAL, TARGET], ids=["trial", "target"])
def test_more_processes_than_cores(
    run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, kind: tuple[str, str]
) -> None:
    pretend_mpirun(monkeypatch)
    result = run_suite("--mpi-num-processes=4096", *kind, tests=[TRAINING])
    refuses(result, "--mpi-num-processes 4096 is more than the * core* of the run: pass at most *.")


@NEEDS_TWO_CORES
def test_no_mpirun(run_suite: SuiteRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    find = partial(find_mpirun, python=str(tmp_path / "python"))
    monkeypatch.setattr("resnet_fixtures.training_runs.find_mpirun", find)
    result = run_suite("--mpi-num-processes=2", *SEVERAL, tests=[TRAINING])
    refuses(
        result,
        "--mpi-num-processes needs mpirun, which is neither beside this Python nor on PATH: "
        "pip install 'resnet-fixtures[[]mpi[]]'.",
    )


@NEEDS_TWO_CORES
def test_no_mpi4py(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_mpirun(monkeypatch)
    monkeypatch.setattr("resnet_fixtures.training_preflight.find_spec", lambda name: None)
    result = run_suite("--mpi-num-processes=2", *SEVERAL, tests=[TRAINING])
    refuses(result, "--mpi-num-processes needs mpi4py: pip install 'resnet-fixtures[[]mpi[]]'.")


def test_host_that_cannot_be_reached(run_suite: SuiteRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpirun = tmp_path / "mpirun"
    mpirun.write_text("#!/bin/sh\necho 'ssh: Could not resolve hostname there.'\nexit 1\n")
    mpirun.chmod(0o755)
    pretend_mpirun(monkeypatch)
    for module in ("training_runs", "training.mpirun"):
        monkeypatch.setattr(f"resnet_fixtures.{module}.find_mpirun", lambda environ: replace(MPIRUN, path=str(mpirun)))
    result = run_suite("--mpi-num-processes=1", "--mpi-hostnames=there", *SEVERAL, tests=[TRAINING])
    refuses(
        result,
        "Host there of --mpi-hostnames cannot be reached (ssh: Could not resolve hostname there): make sure that "
        "`ssh there true` works without a password *",
    )


def test_more_hosts_than_processes(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_mpirun(monkeypatch)
    result = run_suite("--mpi-hostnames=a,b,c", *TARGET, tests=[TRAINING])
    refuses(result, "--mpi-hostnames names 3 hosts for 1 *: pass --mpi-num-processes 3 or more.")


def test_more_processes_than_can_be_listed(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_mpirun(monkeypatch)
    result = run_suite(
        "--mpi-num-processes=99999999999", "--mpi-hostnames=a", "--mpi-dry-run", *SEVERAL, tests=[TRAINING]
    )
    refuses(result, "--mpi-num-processes 99999999999 is more than a training can have: pass at most 1048576.")


def test_truncated_checkpoint(run_suite: SuiteRunner, tmp_path: Path) -> None:
    path = save(tmp_path / "trial_fp32_bs16_1")
    path.write_bytes(path.read_bytes()[:-5])
    result = run_suite(f"--checkpoint={tmp_path}", *TRIAL, tests=[TRAINING])
    refuses(result, f"{path} is damaged or no checkpoint of this suite (*): delete it, or pass another --checkpoint.")


@pytest.mark.parametrize(
    ("recipe", "data", "difference"),
    [
        (replace(RECIPE, momentum=0.5), "dummy", "momentum 0.5 instead of 0.9"),
        (replace(RECIPE, seed=3, batch_size=8), "dummy", "batch_size 8 instead of 16, seed 3 instead of 2"),
        (RECIPE, "0123456789abcdef", "training data 0123456789ab instead of dummy"),
    ],
)
def test_checkpoint_of_another_training(
    run_suite: SuiteRunner, tmp_path: Path, recipe: Recipe, data: str, difference: str
) -> None:
    path = save(tmp_path / "trial_fp32_bs16_1", recipe, data)
    result = run_suite(f"--checkpoint={tmp_path}", *TRIAL, tests=[TRAINING])
    refuses(result, f"{path} belongs to another training ({difference}): pass what that one was given, or another *.")


@pytest.mark.parametrize("mode", ["--gate", "--gate-update"])
def test_gate_judges_no_training_that_goes_on(run_suite: SuiteRunner, tmp_path: Path, mode: str) -> None:
    write_run(tmp_path / "baseline.json", {})
    result = run_suite(
        mode, f"--gate-baseline={tmp_path}/baseline.json", f"--checkpoint={tmp_path}/c", *TARGET, tests=[TRAINING]
    )
    refuses(
        result, f"{mode} judges the time of whole trainings, and what goes on from --checkpoint is a part of one: *"
    )


@pytest.mark.parametrize("run", ["", "_2"])
def test_checkpoint_of_each_run_on_the_digits_is_looked_at(run_suite: SuiteRunner, tmp_path: Path, run: str) -> None:
    path = save(tmp_path / f"convergence_fp32{run}", replace(RECIPE, precision=Precision.BF16))
    result = run_suite(f"--checkpoint={tmp_path}", "--mlperf-runs=2", *TARGET, tests=[TRAINING])
    refuses(result, f"{path} belongs to another training (*precision bf16 instead of fp32*): pass what *")


def test_checkpoint_that_was_scored_on_other_images(
    run_suite: SuiteRunner, write_validation: SplitWriter, tmp_path: Path
) -> None:
    location = write_validation([1, 2])
    data = DataDigests(write_train_split(location, [4]).digest(), "0123456789abcdef")
    with CheckpointFolder(tmp_path / "saved" / "convergence_fp32") as folder:
        tensors = {"weights/a": np.ones(3, np.float32)}
        path = folder.save(Checkpoint(tensors, 7, Recipe(batch_size=4), data), is_best=False)
    result = run_suite(
        f"--data-location={location}", "--batch-size=4", f"--checkpoint={tmp_path}/saved", *TARGET, tests=[TRAINING]
    )
    scored_on = find_split(location).digest()[:12]
    refuses(result, f"{path} belongs to another training (validation data 0123456789ab instead of {scored_on}): pass *")


def test_checkpoint_in_use(run_suite: SuiteRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CheckpointFolder.__init__, "__defaults__", (0.1,))
    with CheckpointFolder(tmp_path / "trial_fp32_bs16_1"):
        result = run_suite(f"--checkpoint={tmp_path}", *TRIAL, tests=[TRAINING])
    refuses(
        result,
        f"{tmp_path}/trial_fp32_bs16_1 is in use by another training: wait for it, or pass another --checkpoint.",
    )


@pytest.mark.parametrize("option", ["--output-dir", "--checkpoint", "--tensorboard"])
@pytest.mark.parametrize("below", ["", "/below"])
def test_folder_that_is_a_file(run_suite: SuiteRunner, tmp_path: Path, option: str, below: str) -> None:
    (tmp_path / "out").touch()
    result = run_suite(f"{option}={tmp_path}/out{below}", *TRIAL, tests=[TRAINING])
    refuses(
        result, f"{option} {tmp_path}/out{below}: {tmp_path}/out is no folder: pass a folder that you may write to."
    )


def test_output_dir_of_a_run_to_the_target(run_suite: SuiteRunner, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    result = run_suite(f"--output-dir={tmp_path}/out", *TARGET, tests=[TRAINING])
    refuses(result, "--output-dir * is no folder: pass a folder that you may write to.")


@NEEDS_TWO_CORES
def test_dry_run_shows_the_arguments_and_starts_nothing(
    run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend_mpirun(monkeypatch)
    result = run_suite(
        "--mpi-num-processes=2", "--mpi-dry-run", "-rs", f"--checkpoint={tmp_path}", "-m", "fp32", tests=[TRAINING]
    )
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(skipped=3, deselected=3)
    result.stdout.fnmatch_lines_random(
        [
            f"{MPIRUN.path} --allow-run-as-root -n 2 --map-by *resnet_fixtures.training.worker",
            "SKIPPED * --mpi-dry-run starts nothing",
        ]
    )
    assert result.stdout.str().count(MPIRUN.path) == 1
    assert list(tmp_path.iterdir()) == []


def test_dry_run_asks_no_host(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_mpirun(monkeypatch)
    result = run_suite(
        "--mpi-num-processes=4", "--mpi-num-processes-per-socket=2", "--mpi-hostnames=a,b", "--mpi-dry-run", *SEVERAL,
        tests=[TRAINING],
    )  # fmt: skip
    result.assert_outcomes(skipped=1, deselected=5)
    result.stdout.fnmatch_lines([f"{MPIRUN.path} * -n 4 --host a:2,b:2 --map-by ppr:2:package:pe=*"])


def test_precision_that_is_not_trained(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.training\n@pytest.mark.parametrize('precision', ['int8'])\n"
        "def test_it(precision, timed_training): timed_training()\n"
    )
    refuses(run_suite(), "*::test_it[[]int8-bs16[]]: its precision is none: parametrize it with some of fp32, bf16.")


def test_records_are_counted_once_for_all_trainings(
    run_suite: SuiteRunner, write_validation: SplitWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = write_validation([1, 2])
    write_train_split(location, [4])
    for run in ("", "_2"):
        (tmp_path / "saved" / f"convergence_fp32{run}").mkdir(parents=True)
    counted: list[str] = []

    def count(location: Path, split: str = "validation") -> Split:
        counted.append(split)
        return find_split(location, split)

    monkeypatch.setattr("resnet_fixtures.data.imagenet.find_split", count)
    tell_trainings(
        monkeypatch, lambda order: tell_trial(order) if order.train_steps else tell_convergence(order, [0.8])
    )
    result = run_suite(
        f"--data-location={location}", "--batch-size=4", "--mlperf-runs=5", f"--checkpoint={tmp_path}/saved",
        "-m", "not distributed", tests=[TRAINING],
    )  # fmt: skip
    result.assert_outcomes(passed=4, deselected=2)
    assert sorted(counted) == ["train", "validation"]
