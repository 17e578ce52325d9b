"""Order tests so that xdist gives those that score to different workers."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from resnet_fixtures.fixture_use import is_ours

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def spread(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Put a skipped test behind each that scores, as far as there are any, and these pairs first.

    xdist hands out neighbours in pairs: two precisions side by side in the list would run one after the other.
    """
    skipped = [item for item in items if is_ours(item) and item.get_closest_marker("skip")]
    scoring = [item for item in items if is_ours(item) and item.get_closest_marker("accuracy") and item not in skipped]
    pairs = list(chain.from_iterable(zip(scoring, skipped, strict=False)))
    return [*pairs, *(item for item in items if item not in pairs)]
