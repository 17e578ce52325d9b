"""A pytest plugin for the reader's runs: their trainings are of a thin ResNet-50, as the reader's graphs are.

At full width the README's five trainings take three minutes, for numbers that nobody looks at; `tests/training` trains
the real one.
"""

from __future__ import annotations

from functools import partial

from resnet_fixtures import training_orders
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.training.recipe import Recipe

WIDTH = 4  # that of the graphs that stand in for the published ones


def pytest_configure() -> None:
    """Let every recipe for ImageNet's images train the thin network; the workers are told it in their order."""
    vars(training_orders)["Recipe"] = partial(Recipe, architecture=Architecture(width=WIDTH))
