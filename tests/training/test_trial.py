"""Some steps of training: their speed, and a loss that falls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.training.recipe import TRAINED_PRECISIONS

if TYPE_CHECKING:
    from resnet_fixtures.timed_training import TimedTraining


@pytest.mark.training
@pytest.mark.parametrize("precision", TRAINED_PRECISIONS, ids=str, indirect=True)
def test_training_trial(timed_training: TimedTraining) -> None:
    """One process."""
    trial = timed_training()
    assert timed_training.kernels.is_precision_proven, timed_training.kernels.sentence
    assert trial.trend.is_falling, trial.trend.sentence


@pytest.mark.training
@pytest.mark.distributed
@pytest.mark.parametrize("precision", TRAINED_PRECISIONS, ids=str, indirect=True)
def test_distributed_trial(timed_training: TimedTraining) -> None:
    """The processes of --mpi-num-processes, or two, that train one model."""
    trial = timed_training(timed_training.distributed_layout)
    assert timed_training.kernels.is_precision_proven, timed_training.kernels.sentence
    assert trial.trend.is_falling, trial.trend.sentence
