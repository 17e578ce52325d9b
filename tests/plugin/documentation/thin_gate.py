"""A pytest plugin for the reader's runs: the gate takes two processes for a sample, not five and more."""

from __future__ import annotations

from resnet_fixtures import gating


def pytest_configure() -> None:
    """Look at the samples twice, early."""
    gating.LOOKS = (2, 3)
