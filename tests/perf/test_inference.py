"""Throughput and latency of ResNet-50 v1.5 in every precision, online and in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from resnet_fixtures.performance import TimedInference


@pytest.mark.perf(mode="online")
def test_online_inference(timed_inference: TimedInference) -> None:
    """One image at a time: what a single request waits."""
    measurement = timed_inference()
    assert timed_inference.kernels.is_precision_proven, timed_inference.kernels.sentence
    assert len(measurement.steps_s) > 0


@pytest.mark.perf(mode="batch")
def test_batch_inference(timed_inference: TimedInference) -> None:
    """Many images at a time: what the machine can do."""
    measurement = timed_inference()
    assert timed_inference.kernels.is_precision_proven, timed_inference.kernels.sentence
    assert len(measurement.steps_s) > 0
