from __future__ import annotations

from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.training.digits import DIGITS_EPOCHS, DIGITS_RECIPE


def test_it_is_the_same_architecture_at_a_quarter_of_the_width() -> None:
    assert DIGITS_RECIPE.architecture == Architecture(width=16, classes=11, image_size=64)


def test_every_drop_of_the_learning_rate_takes_place() -> None:
    rates = [DIGITS_RECIPE.learning_rate(22 * epoch, 22) for epoch in range(DIGITS_EPOCHS)]
    assert [round(rate, 6) for rate in rates] == [0, *[0.1] * 5, 0.01, 0.001, 0.0001]
