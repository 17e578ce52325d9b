"""Training to MLPerf's target on ImageNet, or to one of the digits' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.training.recipe import TRAINED_PRECISIONS

if TYPE_CHECKING:
    from resnet_fixtures.convergence import ConvergenceTraining


@pytest.mark.training
@pytest.mark.mlperf
@pytest.mark.parametrize("precision", TRAINED_PRECISIONS, ids=str, indirect=True)
def test_mlperf_convergence(convergence_training: ConvergenceTraining) -> None:
    """The target is reached in every run, and the frozen model scores what its training measured (--eval)."""
    convergence = convergence_training()
    assert convergence.has_reached, convergence.sentence
    assert convergence.is_frozen_alike, convergence.sentence
