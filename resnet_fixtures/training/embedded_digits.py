"""The embedded accuracy task: the digits as TFRecords, and a model trained on them, in each precision, made once."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.data.digits import check_digits, write_digits
from resnet_fixtures.data.imagenet import find_split
from resnet_fixtures.graph.cache import TRAINING_SOURCES, cache_folder, cached_file, cached_path, load_cached
from resnet_fixtures.graph.embedded import convert
from resnet_fixtures.graph.freeze import freeze_checkpoint
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.quantize import DEFAULT_CALIBRATION_IMAGES, CalibrationImages
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.checkpoint import find_checkpoint, read_checkpoint
from resnet_fixtures.training.digits import DIGITS_ARCHITECTURE, DIGITS_EPOCHS, DIGITS_RECIPE
from resnet_fixtures.training.events import Begun, Step
from resnet_fixtures.training.launch import make_launch
from resnet_fixtures.training.layout import Layout
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.ranks import run_ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resnet_fixtures.graph.frozen import FrozenGraph
    from resnet_fixtures.graph.quantize import CalibrationBatches
    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from resnet_fixtures.hardware.topology import Topology
    from resnet_fixtures.training.events import Event


class EmbeddedDigits:
    """Hands out the digits' folder and graphs.

    `announce` is told before anything is built, or built again because it is damaged in the cache; the training
    is a process of its own, on the plan's CPUs and with `environ`.
    """

    def __init__(
        self, plan: ThreadPlan, topology: Topology, environ: Mapping[str, str], announce: Callable[[str], object]
    ) -> None:
        self._plan = plan
        self._topology = topology
        self._environ = environ
        self._announce = announce

    def folder(self) -> Path:
        """Return the folder with the digits' train and validation splits, both whole."""
        size = DIGITS_ARCHITECTURE.image_size

        def find() -> Path:
            return cached_path(cache_folder(), "digits", {"image_size": size}, lambda path: write_digits(path, size))

        return load_cached(find, check_digits, self._announce)

    def graph(self, precision: Precision) -> FrozenGraph:
        """Return the trained model's frozen graph in `precision`, ready to run."""
        return load_cached(
            lambda: self.graph_file(precision), lambda file: load_frozen_graph(file, precision), self._announce
        )

    def graph_file(self, precision: Precision) -> Path:
        """Return the file of the trained model's frozen graph in `precision`."""

        def build() -> bytes:
            trained = load_cached(self._checkpoint_file, read_checkpoint, self._announce)
            self._announce(f"converting the digits model to {precision}, once …")
            calibration = self._calibration() if precision is Precision.INT8 else ()
            graph_def = convert(freeze_checkpoint(trained, Precision.FP32), precision, calibration)
            return bytes(graph_def.SerializeToString(deterministic=True))

        key = {
            "weights": self._checkpoint_file().name,
            "precision": precision,
            "calibration": DEFAULT_CALIBRATION_IMAGES,
        }
        return cached_file(cache_folder(), f"digits_{precision}.pb", key, build, TRAINING_SOURCES)

    def _checkpoint_file(self) -> Path:
        key = {**DIGITS_RECIPE.as_dict(), "epochs": DIGITS_EPOCHS, "data": find_split(self.folder(), "train").digest()}
        return cached_file(cache_folder(), "digits.safetensors", key, self._train, TRAINING_SOURCES)

    def _train(self) -> bytes:
        """Train to the last epoch and return the checkpoint's content."""
        self._announce("training the digits model, once (about a minute) …")
        with tempfile.TemporaryDirectory() as folder:
            order = Order(
                DIGITS_RECIPE,
                threads=self._plan.intra,
                data_threads=self._plan.data_intra,
                data_location=self.folder(),
                train_epochs=DIGITS_EPOCHS,
                epochs_between_evals=DIGITS_EPOCHS,
                checkpoint=Path(folder),
            )
            launch = make_launch(Layout(), self._topology, self._plan, environ=self._environ)
            with run_ranks(launch, order, self._environ) as events:
                steps_per_epoch = 0
                for event in events:
                    steps_per_epoch = event.steps_per_epoch if isinstance(event, Begun) else steps_per_epoch
                    self._announce_epoch(event, steps_per_epoch)
            return find_checkpoint(Path(folder)).read_bytes()

    def _announce_epoch(self, event: Event, steps_per_epoch: int) -> None:
        if isinstance(event, Step) and event.number % steps_per_epoch == 0:
            epoch = event.number // steps_per_epoch
            self._announce(f"digits model: epoch {epoch} of {DIGITS_EPOCHS}, loss {event.loss:.3f}")

    def _calibration(self) -> CalibrationBatches:
        split = find_split(self.folder(), "train")
        return CalibrationImages(
            split, DIGITS_ARCHITECTURE.image_size, DIGITS_ARCHITECTURE.classes, DEFAULT_CALIBRATION_IMAGES
        )
