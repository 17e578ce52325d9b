from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.graph import freeze as module
from resnet_fixtures.graph.freeze import freeze, freeze_checkpoint, main
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.checkpoint import Checkpoint, CheckpointFolder
from resnet_fixtures.training.data_digests import DataDigests
from resnet_fixtures.training.events import Evaluated
from resnet_fixtures.training.recipe import Recipe

if TYPE_CHECKING:
    from resnet_fixtures.graph.resnet50 import Architecture
    from resnet_fixtures.graph.weights import Weight
    from tests.plugin.graph.conftest import Array, Runner

PREFIX = "python -m resnet_fixtures.graph.freeze: error: "


def make_checkpoint(architecture: Architecture, step: int = 40, precision: Precision = Precision.FP32) -> Checkpoint:
    """Collect the weights that the architecture asks for; the step is their seed."""
    tensors: dict[str, Weight] = {"momentum/dense/bias": np.zeros(architecture.classes, np.float32)}
    draw = random_weights(step)

    def keep(name: str, shape: tuple[int, ...]) -> Weight:
        tensors[f"weights/{name}"] = draw(name, shape) * np.float32(0.01 if name == "conv1/kernel" else 1)
        return tensors[f"weights/{name}"]

    freeze(architecture, keep)
    evaluations = (Evaluated(1, 40, 3, 4, 4, 1.0),)
    return Checkpoint(tensors, step, Recipe(architecture, precision), DataDigests(), evaluations)


def save(path: Path, checkpoint: Checkpoint, *, is_best: bool = False) -> Path:
    with CheckpointFolder(path) as folder:
        return folder.save(checkpoint, is_best=is_best)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ckpt"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "graphs" / "model.pb"


def refuse(capsys: pytest.CaptureFixture[str], checkpoint: Path, out: Path) -> str:
    with pytest.raises(SystemExit, match=r"^4$"):
        main(["--checkpoint", str(checkpoint), "--out", str(out)])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(PREFIX)
    return printed.err.removeprefix(PREFIX)


@pytest.mark.usefixtures("warm_children")
def test_the_command_makes_a_graph_that_loads(
    folder: Path, out: Path, architecture: Architecture, images: Array, run: Runner, tmp_path: Path
) -> None:
    checkpoint = make_checkpoint(architecture)
    path = save(folder, checkpoint)
    (tmp_path / "cwd").mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "resnet_fixtures.graph.freeze", "--checkpoint", str(folder), "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])},
        cwd=tmp_path / "cwd", capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{out}: fp32 graph of {path}, step 40, top-1 0.7500\n"
    assert "Warning" not in result.stderr
    loaded = load_frozen_graph(out, Precision.FP32)
    assert (loaded.image_size, loaded.classes) == (architecture.image_size, architecture.classes)
    expected = run(freeze_checkpoint(checkpoint), images)
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(run(loaded.graph_def, images), expected, atol=1e-5)


def test_the_weights_are_the_checkpoints_own(architecture: Architecture) -> None:
    checkpoint = make_checkpoint(architecture)
    source = freeze(architecture, lambda name, _: checkpoint.tensors[f"weights/{name}"])
    assert freeze_checkpoint(checkpoint) == source


@pytest.mark.parametrize(
    ("trained", "options", "expected"),
    [
        (Precision.BF16, [], Precision.BF16),
        (Precision.BF16, ["--precision", "fp32"], Precision.FP32),
        (Precision.FP32, ["--precision", "bf16"], Precision.BF16),
    ],
)
def test_precisions(
    folder: Path, out: Path, architecture: Architecture, trained: Precision, options: list[str], expected: Precision,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    save(folder, make_checkpoint(architecture, precision=trained))
    assert main(["--checkpoint", str(folder), "--out", str(out), *options]) == 0
    assert f"{out}: {expected} graph of " in capsys.readouterr().out
    assert load_frozen_graph(out, expected).precision is expected


def test_of_a_folder_the_best_is_frozen(
    folder: Path, out: Path, architecture: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    save(folder, make_checkpoint(architecture), is_best=True)
    newest = save(folder, make_checkpoint(architecture, 41))
    assert main(["--checkpoint", str(folder), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: fp32 graph of {folder}/best.safetensors, step 40, top-1 0.7500\n"
    assert main(["--checkpoint", str(newest), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: fp32 graph of {newest}, step 41\n"


def test_a_training_that_still_writes_is_no_hindrance(folder: Path, out: Path, architecture: Architecture) -> None:
    with CheckpointFolder(folder) as held:
        held.save(make_checkpoint(architecture), is_best=True)
        assert main(["--checkpoint", str(folder), "--out", str(out)]) == 0


def test_no_folder(folder: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = f"--checkpoint {folder} does not exist: pass the folder of a training.\n"
    assert refuse(capsys, folder, out) == expected


def test_a_folder_without_checkpoints(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = f"--checkpoint {tmp_path} has no checkpoint in it: pass the folder of a training.\n"
    assert refuse(capsys, tmp_path, out) == expected


def test_a_truncated_file(
    folder: Path, out: Path, architecture: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(folder, make_checkpoint(architecture))
    path.write_bytes(path.read_bytes()[:-1])
    assert refuse(capsys, folder, out).startswith(f"{path} is damaged or no checkpoint of this suite (")
    assert not out.exists()


def test_a_foreign_file(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.npz").write_bytes(b"PK\3\4" + bytes(99))
    assert "model.npz is damaged or no checkpoint of this suite (" in refuse(capsys, tmp_path / "model.npz", out)


def test_a_weight_that_is_missing(
    folder: Path, out: Path, architecture: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = make_checkpoint(architecture)
    del checkpoint.tensors["weights/dense/bias"]
    path = save(folder, checkpoint)
    reason = "weight 'dense/bias' is missing"
    assert refuse(capsys, folder, out) == (
        f"{path} does not fit its own recipe ({reason}): pass another --checkpoint.\n"
    )


@pytest.mark.parametrize("wrong", [{"classes": 60_000}, {"width": 60_000}])
def test_weights_of_another_shape(
    folder: Path, out: Path, architecture: Architecture, wrong: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing as large as the recipe pretends is ever made."""
    checkpoint = make_checkpoint(architecture)
    recipe = replace(checkpoint.recipe, architecture=replace(architecture, **wrong))
    path = save(folder, replace(checkpoint, recipe=recipe))
    assert refuse(capsys, folder, out).startswith(f"{path} does not fit its own recipe (weight ")


def test_an_output_that_cannot_be_written(
    folder: Path, architecture: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(folder, make_checkpoint(architecture))
    assert f"{path}/model.pb cannot be written (" in refuse(capsys, folder, path / "model.pb")


@pytest.mark.parametrize("arguments", [[], ["--out", "x"], ["--checkpoint", "x", "--out", "y", "--precision", "int8"]])
def test_a_command_that_argparse_refuses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^4$"):
        main(arguments)
    assert "python -m resnet_fixtures.graph.freeze: error: " in capsys.readouterr().err
