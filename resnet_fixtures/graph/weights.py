"""Where a frozen graph's weights come from: drawn from a seed, or stored arrays.

A weight's name is its layer's name and its role: `stage2/block1/conv1/kernel` [kh, kw, in, out], `…/gamma`, `…/beta`,
`…/mean`, `…/variance` [out], `dense/kernel` [in, classes], `dense/bias` [classes]; all float32.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Weight = npt.NDArray[np.float32]
WeightSource = Callable[[str, tuple[int, ...]], Weight]


def random_weights(seed: int) -> WeightSource:
    """Return weights that depend on seed and name alone.

    Kernels follow He et al. (variance 2 / fan-in); a block's last gamma is small, so that activations stay finite
    through all 16 blocks.
    """

    def draw(name: str, shape: tuple[int, ...]) -> Weight:
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        layer, _, role = name.rpartition("/")
        if role == "kernel":
            return rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        low, high = {"gamma": (0.9, 1.1), "variance": (0.9, 1.1)}.get(role, (-0.1, 0.1))
        scale = 0.2 if role == "gamma" and layer.endswith("/conv3") else 1.0
        return (scale * rng.uniform(low, high, shape)).astype(np.float32)

    return draw


def stored_weights(arrays: Mapping[str, npt.NDArray[Any]]) -> WeightSource:
    """Return the weights in `arrays`; a missing name is a KeyError, another shape a ValueError that names it."""

    def look_up(name: str, shape: tuple[int, ...]) -> Weight:
        array = np.asarray(arrays[name], dtype=np.float32)
        if array.shape != shape:
            raise ValueError(f"weight {name} has shape {array.shape}, the architecture needs {shape}")
        return array

    return look_up
