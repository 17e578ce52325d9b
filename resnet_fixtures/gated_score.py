"""Hand what was scored, or trained to its target, to the gate."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from resnet_fixtures.fixture_use import uses
from resnet_fixtures.gating import find_gate, tolerance_fact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from resnet_fixtures.accuracy.predictions import Predictions
    from resnet_fixtures.gate.samples import ScoredImages


def judge_score(request: pytest.FixtureRequest, predictions: Predictions, facts: Mapping[str, object]) -> None:
    """Judge an accuracy test by its answers; the score of a training's frozen model belongs to the training."""
    gate = find_gate(request.config)
    if gate is None or uses(request.node, "convergence_training"):
        return
    from resnet_fixtures.gate.samples import Entry, Metric

    entry = Entry(
        request.node.nodeid,
        Metric.ACCURACY,
        int(str(facts["batch_size"])),
        {**facts, **tolerance_fact(request.node)},
        scored=scored_images(predictions),
    )
    gate.conclude(entry)


def judge_time_to_target(request: pytest.FixtureRequest, seconds: Sequence[float], facts: Mapping[str, object]) -> None:
    """Judge the times that trainings took to their target, in seconds, one for each run."""
    gate = find_gate(request.config)
    if gate is None:
        return
    from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample

    samples = tuple(ProcessSample((one,)) for one in seconds)
    gate.conclude(
        Entry(request.node.nodeid, Metric.TIME_TO_TARGET_S, 0, {**facts, **tolerance_fact(request.node)}, samples)
    )


def scored_images(predictions: Predictions) -> ScoredImages:
    """Return the answers as the gate keeps them, with the digest of the images' names and labels."""
    from resnet_fixtures.gate.samples import ScoredImages

    images = json.dumps([predictions.filenames, predictions.actual.tolist()]).encode()
    return ScoredImages(
        hashlib.sha256(images).hexdigest(), tuple(predictions.prediction.tolist()), tuple(predictions.ranks.tolist())
    )
