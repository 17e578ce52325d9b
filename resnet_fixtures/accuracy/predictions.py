"""Hold what a graph answered for each image, and write it as the seed does."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from resnet_fixtures.stats.proportion import wilson_interval
from resnet_fixtures.unique_file import write_new_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from resnet_fixtures.precision import Precision
    from resnet_fixtures.stats.summary import Interval

Whole = npt.NDArray[np.int64]
RESULTS_HEADER = ("filename", "actual", "prediction")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Hold the answers for n images, in reading order; `actual`, `prediction` and `ranks` are int64 [n].

    Labels are the data set's: 1 is ImageNet's first class, and 0 the background where the graph has one. `ranks`
    counts the classes that the graph holds likelier than the right one.
    """

    filenames: tuple[str, ...] = field(repr=False)  # a failed assertion would show 50,000 of them
    actual: Whole
    prediction: Whole
    ranks: Whole

    def __post_init__(self) -> None:
        if not self.actual.shape == self.prediction.shape == self.ranks.shape == (len(self.filenames),):
            raise ValueError("predictions need one name, label, answer and rank for each image")

    @property
    def images(self) -> int:
        """Count the images."""
        return len(self.filenames)

    @property
    def correct1(self) -> int:
        """Count the images whose label is the likeliest class."""
        return int(np.count_nonzero(self.is_in_top(1)))

    @property
    def correct5(self) -> int:
        """Count the images whose label is one of the five likeliest classes."""
        return int(np.count_nonzero(self.is_in_top(5)))

    @property
    def top1(self) -> float:
        """Give the share of top-1 hits."""
        return self.correct1 / self.images

    @property
    def top5(self) -> float:
        """Give the share of top-5 hits."""
        return self.correct5 / self.images

    @property
    def top1_interval(self) -> Interval:
        """Bound the share of top-1 hits, at 95 %."""
        return wilson_interval(self.correct1, self.images)

    @property
    def top5_interval(self) -> Interval:
        """Bound the share of top-5 hits, at 95 %."""
        return wilson_interval(self.correct5, self.images)

    def is_in_top(self, k: int) -> npt.NDArray[np.bool_]:
        """Tell for each image whether its label is among the k likeliest classes."""
        return self.ranks < k

    def head(self, images: int) -> Predictions:
        """Give the answers for the first images."""
        return Predictions(self.filenames[:images], self.actual[:images], self.prediction[:images], self.ranks[:images])


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Put the answers for successive batches together; no batch at all gives no images."""
    no_images = np.empty(0, np.int64)
    return Predictions(
        tuple(name for part in parts for name in part.filenames),
        np.concatenate([no_images, *(part.actual for part in parts)]),
        np.concatenate([no_images, *(part.prediction for part in parts)]),
        np.concatenate([no_images, *(part.ranks for part in parts)]),
    )


def write_results_file(output_dir: Path, precision: Precision, now: datetime, predictions: Predictions) -> Path:
    """Write `filename,actual,prediction` lines to a new file named by precision and time, as the seed does.

    A second file of the same second gets _1 behind its name. It appears complete; an output_dir that cannot be written
    is an InputError.
    """
    stem = f"resnet50v1_5_{precision}_inference_results_{now:%Y%m%d_%H%M%S}"
    return write_new_file(output_dir, stem, ".txt", format_results(predictions).encode())


def format_results(predictions: Predictions) -> str:
    """Give the results file's text: a header, then one line for each image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(RESULTS_HEADER)
    columns = (predictions.filenames, predictions.actual.tolist(), predictions.prediction.tolist())
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()
