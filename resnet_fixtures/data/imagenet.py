"""Read ImageNet, or any set in its layout, as labelled batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet_fixtures.data.diagnosis import explain_failure, word_error
from resnet_fixtures.data.labels import find_invalid, to_indices, valid_labels
from resnet_fixtures.data.location import find_split
from resnet_fixtures.data.pipeline import build_pipeline
from resnet_fixtures.data.split import Split, SplitKind
from resnet_fixtures.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from resnet_fixtures.data.preprocess import Preprocessing

__all__ = ["LabelledBatch", "LabelledImages", "Split", "SplitKind", "find_split", "index_labels", "read_batches"]


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Hold b images, their labels as indices of the graph's outputs, and their file names.

    Images are float32 [b, S, S, 3] and read-only, labels int32 [b].
    """

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    filenames: tuple[str, ...]


@dataclass(frozen=True)
class LabelledImages:
    """A split as a graph wants it: preprocessed, with the labels of its `classes`, decoded on `threads` threads."""

    split: Split
    preprocessing: Preprocessing
    classes: int
    threads: int

    def batches(self, batch_size: int, skip: int = 0) -> Iterator[LabelledBatch]:
        """Read every image after the first `skip` once, see `read_batches`."""
        return read_batches(self.split, self.preprocessing, batch_size, self.classes, self.threads, skip)


def read_batches(
    split: Split,
    preprocessing: Preprocessing,
    batch_size: int,
    classes: int,
    data_threads: int,
    skip: int = 0,
    take: int | None = None,
) -> Iterator[LabelledBatch]:
    """Read `take` images (None: all) after the first `skip` once, in the split's order; the last batch may be smaller.

    The next batches are decoded meanwhile, on `data_threads` threads of the reader's own. The arrays are TensorFlow's
    memory, not copies. Whatever is wrong with an image, its record or its label, or with the number of images, is a
    DataError that names the place. Call it where TensorFlow executes eagerly, outside `tf.Graph().as_default()`.
    """
    import tensorflow as tf

    done, end = skip, split.images if take is None else skip + take

    def name_place(position: int) -> str:
        return split.name_place(done + position)

    try:
        pipeline = build_pipeline(split, preprocessing, batch_size, data_threads, range(skip, end))
        for images, labels, names in pipeline.as_numpy_iterator():
            yield LabelledBatch(images, index_labels(labels, classes, name_place), _name(split, done, names))
            done += len(labels)
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        raise explain_failure(split, done, word_error(error), preprocessing) from error
    if done != end:
        raise DataError(
            f"{split.describe()}: {done} images came where {end} were counted; leave the files alone during a run."
        )


def index_labels(
    labels: npt.NDArray[np.int64], classes: int, name_place: Callable[[int], str]
) -> npt.NDArray[np.int32]:
    """Turn a batch's labels into indices of the graph's outputs.

    A label that the graph has no output for is a DataError; `name_place` names the record of a position in the batch.
    """
    wrong = find_invalid(labels, classes)
    if wrong is not None:
        valid = valid_labels(classes)
        raise DataError(
            f"{name_place(wrong)}: label {labels[wrong]} is outside {valid.start}..{valid.stop - 1}, the labels of a "
            f"graph with {classes} classes; use a graph made for this data set or convert the data again."
        )
    return to_indices(labels, classes)


def _name(split: Split, first: int, names: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(
        name.decode(errors="replace") or split.name_image(image) for image, name in enumerate(names, start=first)
    )
