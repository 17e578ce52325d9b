"""Time the input pipeline alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet_fixtures.data.imagenet import LabelledImages

MAX_TIME_S = 5.0


def measure_pipeline(
    images: LabelledImages,
    batch_size: int,
    max_time_s: float = MAX_TIME_S,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> float:
    """Return the images a second that reading, decoding and preprocessing give, with nothing else on the cores.

    Over the split once, or its part that fits in `max_time_s`; starting the pipeline is included.
    """
    start_ns, read = clock(), 0
    for batch in images.batches(batch_size):
        read += len(batch.labels)
        if (clock() - start_ns) / 1e9 >= max_time_s:
            break
    return read / ((clock() - start_ns) / 1e9)
