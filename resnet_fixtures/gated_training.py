"""Time training as the gate wants it: the trial again and again, each in fresh processes."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from resnet_fixtures.gated_inference import gate_fields, join_samples
from resnet_fixtures.gating import tolerance_fact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from resnet_fixtures.gating import Gate
    from resnet_fixtures.timing.measurement import Measurement


def sample_trainings(
    gate: Gate,
    item: pytest.Item,
    first: Measurement,
    train_again: Callable[[], Measurement],
    facts: Mapping[str, object],
) -> tuple[Measurement, dict[str, object]]:
    """Take the trial that has been run for the first sample, and trials like it for the others; then conclude.

    Return all steps as one measurement, and the gate's result fields. No reference kernel runs beside a training.
    """
    from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample

    trials = chain([first], iter(train_again, None))

    def draw() -> ProcessSample:
        trial = next(trials)
        return ProcessSample(trial.steps_s, trial.warmup_s)

    facts = {**facts, **tolerance_fact(item)}
    entry = gate.sample(Entry(item.nodeid, Metric.IMAGES_PER_S, first.batch_size, facts), draw)
    return join_samples(entry), gate_fields(gate, entry)
