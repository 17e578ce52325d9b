"""A shallow ResNet, for tests of what surrounds the network.

It has every kind of layer, both kinds of block among them, and takes a third of the time that the real one takes to
build and to trace, which is most of what a small training costs. Workers (`mortal_worker.py`) train it too.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from resnet_fixtures.graph import resnet50

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCKS_PER_STAGE = (1, 2, 1, 1)
BLOCKS = sum(BLOCKS_PER_STAGE)
CONVOLUTIONS = 1 + 3 * BLOCKS + len(BLOCKS_PER_STAGE)


@contextmanager
def shallow_network() -> Iterator[None]:
    """Leave blocks out of the architecture in this process."""
    whole = resnet50.BLOCKS_PER_STAGE
    resnet50.BLOCKS_PER_STAGE = BLOCKS_PER_STAGE
    try:
        yield
    finally:
        resnet50.BLOCKS_PER_STAGE = whole
