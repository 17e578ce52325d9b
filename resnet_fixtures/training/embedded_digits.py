"""The embedded accuracy task: the digits as TFRecords, and a model trained on them, in each precision, made once."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from resnet_fixtures.data.digits import write_digits
from resnet_fixtures.data.imagenet import find_split
from resnet_fixtures.graph.cache import cache_folder, cached_file, cached_path
from resnet_fixtures.graph.embedded import convert
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.quantize import DEFAULT_CALIBRATION_IMAGES, read_calibration_batches
from resnet_fixtures.graph.weights import stored_weights
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.digits import (
    DIGITS_ARCHITECTURE,
    DIGITS_RECIPE,
    pack_weights,
    read_weights,
    train_digits,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from resnet_fixtures.graph.quantize import CalibrationBatches


class EmbeddedDigits:
    """Hands out the digits' folder and graphs.

    `announce` is told before anything is built; `threads` decode the images.
    """

    def __init__(self, threads: int, announce: Callable[[str], object]) -> None:
        self._threads = threads
        self._announce = announce

    def folder(self) -> Path:
        """Return the folder with the digits' train and validation splits."""
        size = DIGITS_ARCHITECTURE.image_size
        return cached_path(cache_folder(), "digits", {"image_size": size}, lambda path: write_digits(path, size))

    def graph_file(self, precision: Precision) -> Path:
        """Return the trained model's frozen graph in `precision`."""
        weights_file = self._weights_file()

        def build() -> bytes:
            self._announce(f"converting the digits model to {precision}, once …")
            weights = stored_weights(read_weights(weights_file))
            calibration = self._calibration() if precision is Precision.INT8 else ()
            graph_def = convert(freeze(DIGITS_ARCHITECTURE, weights), precision, calibration)
            return bytes(graph_def.SerializeToString(deterministic=True))

        key = {"weights": weights_file.name, "precision": precision, "calibration": DEFAULT_CALIBRATION_IMAGES}
        return cached_file(cache_folder(), f"digits_{precision}.pb", key, build)

    def _weights_file(self) -> Path:
        location = self.folder()

        def build() -> bytes:
            self._announce("training the digits model, once (about a minute) …")
            return pack_weights(train_digits(location, self._threads, self._announce_epoch))

        key = {**asdict(DIGITS_RECIPE), "data": find_split(location, "train").digest()}
        return cached_file(cache_folder(), "digits.npz", key, build)

    def _announce_epoch(self, epoch: int, loss: float) -> None:
        self._announce(f"digits model: epoch {epoch} of {DIGITS_RECIPE.epochs}, loss {loss:.3f}")

    def _calibration(self) -> CalibrationBatches:
        split = find_split(self.folder(), "train")
        return read_calibration_batches(
            split, DIGITS_ARCHITECTURE.image_size, DIGITS_ARCHITECTURE.classes, DEFAULT_CALIBRATION_IMAGES
        )
