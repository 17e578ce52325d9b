from __future__ import annotations

from pathlib import Path

from resnet_fixtures.precision import Precision
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.recipe import Recipe


def test_an_order_survives_its_line() -> None:
    order = Order(
        Recipe(precision=Precision.BF16), threads=2, data_threads=1, data_location=Path("data"), train_epochs=4,
        stop_threshold=0.759, checkpoint=Path("ckpt"), tensorboard=Path("board"),
    )  # fmt: skip
    line = order.to_json()
    assert "\n" not in line
    assert Order.from_json(line) == order


def test_what_is_left_out_stays_out() -> None:
    order = Order(Recipe(), threads=1, data_threads=1, train_steps=5, max_time_s=2.5)
    read = Order.from_json(order.to_json())
    assert read == order
    assert (read.data_location, read.checkpoint, read.tensorboard) == (None, None, None)
