"""Load the plugin from the checkout; an installed distribution registers it by its entry point."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ("resnet_fixtures.plugin", "pytester")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave thousands of tests that will not run out of the garbage collection at pytest's end."""
    if session.config.option.collectonly:
        gc.freeze()
