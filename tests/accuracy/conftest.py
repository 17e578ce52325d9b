"""The embedded digits, for the accuracy tests that need no download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.live import LiveTerminal
from resnet_fixtures.training.embedded_digits import EmbeddedDigits

if TYPE_CHECKING:
    from resnet_fixtures.hardware.thread_plan import ThreadPlan


@pytest.fixture(scope="session")
def embedded_digits(pytestconfig: pytest.Config, thread_plan: ThreadPlan) -> EmbeddedDigits:
    """The digits' records and the model trained on them, made once."""
    return EmbeddedDigits(len(thread_plan.cpus), LiveTerminal(pytestconfig).announce)
