"""Hand what was scored, or trained to its target, to the gate."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet_fixtures.fixture_use import uses
from resnet_fixtures.gating import find_gate, tolerance_fact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from resnet_fixtures.accuracy.predictions import Predictions
    from resnet_fixtures.gate.samples import Entry, ScoredImages
    from resnet_fixtures.gating import Gate


def refuse_incomparable_score(request: pytest.FixtureRequest, facts: Mapping[str, object]) -> None:
    """Fail, before the first image, an accuracy test that the baseline cannot judge."""
    gate = _find_score_gate(request)
    if gate:
        gate.refuse_incomparable(_score_entry(request, facts))


def judge_score(request: pytest.FixtureRequest, predictions: Predictions, facts: Mapping[str, object]) -> None:
    """Judge an accuracy test by its answers."""
    gate = _find_score_gate(request)
    if gate:
        gate.conclude(replace(_score_entry(request, facts), scored=scored_images(predictions)))


def refuse_unknown_target(request: pytest.FixtureRequest) -> None:
    """Fail, before the first step, a training to its target that the baseline does not have."""
    gate = find_gate(request.config)
    if gate and request.node.nodeid not in gate.baseline:
        from resnet_fixtures.gate.samples import Entry, Metric

        gate.refuse_incomparable(Entry(request.node.nodeid, Metric.TIME_TO_TARGET_S, 0, {}))


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


def _find_score_gate(request: pytest.FixtureRequest) -> Gate | None:
    """Return the gate where it judges scores; that of a training's frozen model belongs to the training."""
    return None if uses(request.node, "convergence_training") else find_gate(request.config)


def _score_entry(request: pytest.FixtureRequest, facts: Mapping[str, object]) -> Entry:
    from resnet_fixtures.gate.samples import Entry, Metric

    batch_size = int(str(facts["batch_size"]))
    return Entry(request.node.nodeid, Metric.ACCURACY, batch_size, {**facts, **tolerance_fact(request.node)})


def scored_images(predictions: Predictions) -> ScoredImages:
    """Return the answers as the gate keeps them, with the digest of the images' names and labels."""
    from resnet_fixtures.gate.samples import ScoredImages

    images = json.dumps([predictions.filenames, predictions.actual.tolist()]).encode()
    return ScoredImages(
        hashlib.sha256(images).hexdigest(), tuple(predictions.prediction.tolist()), tuple(predictions.ranks.tolist())
    )
