"""Draw images of noise for timing, where no pixel matters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.data.preprocess import SEED_PREPROCESSING

if TYPE_CHECKING:
    import numpy.typing as npt

ALIGNMENT_BYTES = 64  # TensorFlow uses an array in place if it starts at such an address, and copies it otherwise.


def dummy_images(batch_size: int, image_size: int = 224, seed: int = 0) -> npt.NDArray[np.float32]:
    """Draw a read-only batch, float32 [batch_size, image_size, image_size, 3], in the range of real ones.

    The same arguments give the same images: uniform in 0..255, minus the channel means.
    """
    images = _allocate((batch_size, image_size, image_size, 3))
    np.random.default_rng(seed).random(dtype=np.float32, out=images)
    images *= 255
    images -= np.array(SEED_PREPROCESSING.channel_means, dtype=np.float32)
    images.setflags(write=False)
    return images


def _allocate(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    size_bytes = math.prod(shape) * np.dtype(np.float32).itemsize
    memory = np.empty(size_bytes + ALIGNMENT_BYTES, dtype=np.uint8)
    start = -memory.ctypes.data % ALIGNMENT_BYTES
    return memory[start : start + size_bytes].view(np.float32).reshape(shape)
