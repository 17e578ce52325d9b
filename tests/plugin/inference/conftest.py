"""Whole ResNet-50s, but thin ones of small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.graph.embedded import convert
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from pathlib import Path

TINY = Architecture(width=4, classes=11, image_size=32)


@pytest.fixture(scope="session")
def tiny_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a graph of 11 classes and 32 pixels, whose step takes some 2 ms."""
    path = tmp_path_factory.mktemp("graphs") / "tiny.pb"
    path.write_bytes(freeze(TINY, random_weights(0)).SerializeToString())
    return path


@pytest.fixture(scope="session")
def tiny_bf16_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the same graph in bf16."""
    path = tmp_path_factory.mktemp("graphs") / "tiny_bf16.pb"
    path.write_bytes(convert(freeze(TINY, random_weights(0)), Precision.BF16, ()).SerializeToString())
    return path
