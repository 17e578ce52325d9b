"""Rank the right class among a graph's probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def choose_classes(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Give the likeliest class of each row, the lowest of equals: [n, classes] to [n]."""
    classes: npt.NDArray[np.int64] = probabilities.argmax(axis=1)
    return classes


def rank_labels(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Count the classes that come before each row's label: [n, classes] and [n] to [n]; 0 is a top-1 hit.

    Equals come in the order of their indices, so that exactly k classes are in the top k. (The seed's `in_top_k` takes
    every class that ties for the last place as a hit.) A NaN comes before every label, and is never a hit itself.
    """
    right = np.take_along_axis(probabilities, labels[:, np.newaxis], axis=1)
    before = ~(probabilities <= right)
    before |= (probabilities == right) & (np.arange(probabilities.shape[1]) < labels[:, np.newaxis])
    ranks: npt.NDArray[np.int64] = before.sum(axis=1)
    return ranks
