"""Fixtures of the tests that train."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.training.shallow import shallow_network

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shallow() -> Iterator[None]:
    """Train a network of fewer blocks, in this process and in the workers of worlds.py."""
    with shallow_network():
        yield
