from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.data.imagenet import find_split
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.checkpoint import Checkpoint, CheckpointFolder
from resnet_fixtures.training.data_digests import DataDigests
from resnet_fixtures.training.digits import DIGITS_ARCHITECTURE
from resnet_fixtures.training.embedded_digits import EmbeddedDigits
from resnet_fixtures.training.events import Begun, Ended, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resnet_fixtures.training.launch import Launch
    from resnet_fixtures.training.order import Order


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """Give random weights instead of trained ones, in a cache of the test's own; note the order of each training."""
    noted: list[Order] = []

    @contextmanager
    def run(launch: Launch, order: Order, environ: object) -> Iterator[Iterator[object]]:
        noted.append(order)
        weights: dict[str, Any] = {}
        draw = random_weights(0)

        def note(name: str, shape: tuple[int, ...]) -> Any:
            weights[f"weights/{name}"] = draw(name, shape)
            return weights[f"weights/{name}"]

        freeze(DIGITS_ARCHITECTURE, note)
        assert order.checkpoint is not None
        with CheckpointFolder(order.checkpoint) as folder:
            folder.save(Checkpoint(weights, 2, order.recipe, DataDigests("digest")), is_best=False)
        steps = Step(1, 2.5, 0.1, 1, 0, 0), Step(2, 2.4, 0.1, 1, 0, 0)
        yield iter((Begun(0, 2, 2, 9), *steps, Ended(2, 2, reached=False)))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("resnet_fixtures.training.embedded_digits.run_ranks", run)
    return noted


def make_digits(announce: Callable[[str], object]) -> EmbeddedDigits:
    topology = read_topology()
    return EmbeddedDigits(make_thread_plan(topology), topology, {}, announce)


def test_one_training_serves_every_precision_and_run(orders: list[Order]) -> None:
    said: list[str] = []
    digits = make_digits(said.append)
    files = [digits.graph_file(precision) for precision in (Precision.FP32, Precision.BF16)]
    for file, precision in zip(files, (Precision.FP32, Precision.BF16), strict=True):
        graph = load_frozen_graph(file, precision)
        assert (graph.classes, graph.image_size) == (11, 64)
    assert [order.data_location for order in orders] == [digits.folder()]
    assert said == [
        "training the digits model, once (about a minute) …",
        "digits model: epoch 1 of 9, loss 2.400",
        "converting the digits model to fp32, once …",
        "converting the digits model to bf16, once …",
    ]

    again = make_digits(said.append)
    assert [again.graph_file(precision) for precision in (Precision.FP32, Precision.BF16)] == files
    assert len(orders) == 1
    assert len(said) == 4


def test_damaged_files_are_built_again(orders: list[Order]) -> None:
    said: list[str] = []
    digits = make_digits(said.append)
    file = digits.graph_file(Precision.FP32)
    (trained,) = file.parent.glob("*.safetensors")
    for damaged in (file, trained):
        damaged.write_bytes(damaged.read_bytes()[:-1000])
    del said[:]
    assert digits.graph(Precision.FP32).classes == 11
    assert said == [
        f"{file} is damaged, and is built again",
        f"{trained} is damaged, and is built again",
        "training the digits model, once (about a minute) …",
        "digits model: epoch 1 of 9, loss 2.400",
        "converting the digits model to fp32, once …",
    ]
    assert len(orders) == 2


def cut_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("damage", [Path.unlink, cut_half], ids=["missing", "cut off"])
@pytest.mark.parametrize("name", ["train-00000-of-00002", "validation-00001-of-00002"])
def test_a_damaged_folder_is_written_again(damage: Callable[[Path], None], name: str, orders: list[Order]) -> None:
    said: list[str] = []
    digits = make_digits(said.append)
    folder = digits.folder()
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    damage(folder / name)
    assert digits.folder() == folder
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert said == [f"{folder} is damaged, and is built again"]


def test_folder_has_both_splits(orders: list[Order]) -> None:
    folder = make_digits(print).folder()
    assert find_split(folder, "train").images == 1437
    assert find_split(folder).images == 360
    assert orders == []
