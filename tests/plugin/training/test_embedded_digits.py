from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.data.imagenet import find_split
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.digits import DIGITS_ARCHITECTURE
from resnet_fixtures.training.embedded_digits import EmbeddedDigits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

Weights = dict[str, "npt.NDArray[np.float32]"]


@pytest.fixture
def trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Give random weights instead of trained ones, in a cache of the test's own; note the data of each training."""
    noted: list[Path] = []

    def train(location: Path, threads: int, on_epoch: Callable[[int, float], object]) -> Weights:
        noted.append(location)
        on_epoch(1, 2.5)
        weights, draw = Weights(), random_weights(0)

        def note(name: str, shape: tuple[int, ...]) -> Any:
            weights[name] = draw(name, shape)
            return weights[name]

        freeze(DIGITS_ARCHITECTURE, note)
        return weights

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("resnet_fixtures.training.embedded_digits.train_digits", train)
    return noted


def test_one_training_serves_every_precision_and_run(trainings: list[Path]) -> None:
    said: list[str] = []
    digits = EmbeddedDigits(1, said.append)
    files = [digits.graph_file(precision) for precision in (Precision.FP32, Precision.BF16)]
    for file, precision in zip(files, (Precision.FP32, Precision.BF16), strict=True):
        graph = load_frozen_graph(file, precision)
        assert (graph.classes, graph.image_size) == (11, 64)
    assert trainings == [digits.folder()]
    assert said == [
        "training the digits model, once (about a minute) …",
        "digits model: epoch 1 of 9, loss 2.500",
        "converting the digits model to fp32, once …",
        "converting the digits model to bf16, once …",
    ]

    again = EmbeddedDigits(2, said.append)
    assert [again.graph_file(precision) for precision in (Precision.FP32, Precision.BF16)] == files
    assert len(trainings) == 1
    assert len(said) == 4


def test_folder_has_both_splits(trainings: list[Path]) -> None:
    folder = EmbeddedDigits(1, print).folder()
    assert find_split(folder, "train").images == 1437
    assert find_split(folder).images == 360
    assert trainings == []
