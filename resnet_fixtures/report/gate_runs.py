"""Read what a gate measured and said: runs and baselines with the schema `resnet_fixtures.gate`."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.gate.run_file import is_run, parse_run
from resnet_fixtures.gate.samples import Metric
from resnet_fixtures.report.history import Judged, Result, Run, Score
from resnet_fixtures.report.stored_json import Fields
from resnet_fixtures.report.stored_runs import read_circumstances, read_versions, sample_quantiles
from resnet_fixtures.stats.proportion import wilson_interval
from resnet_fixtures.stats.summary import bound_median

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from resnet_fixtures.gate.samples import Entry

CONFIDENCE = 0.95  # of the interval that is drawn, as of all intervals of a result
SPEEDS = (Metric.IMAGES_PER_S, Metric.LATENCY_S)


def is_gate_run(stored: Fields) -> bool:
    """Tell the gate's file from another JSON file."""
    return is_run(stored.values)


def read_gate_run(path: Path, stored: Fields) -> tuple[Run, list[Score]]:
    """Return the timings and verdicts as a run, and the accuracy as scores; a baseline's scores are of other nights."""
    entries, time = parse_run(path, dict(stored.values)), stored.time("created")
    judged = tuple(one for place in ("entries", "unmeasured") for one in _read_verdicts(stored.nested(place)))
    timed = [entry for entry in entries.values() if entry.metric in SPEEDS and entry.batch_size]
    run = Run(
        source=str(path),
        time=time,
        node="",
        commit="",
        results=tuple(_to_result(path, entry) for entry in timed),
        judged=judged,
        is_baseline=not judged,  # only --gate-update writes no verdicts
    )
    scored = [] if run.is_baseline else [entry for entry in entries.values() if entry.scored]
    return run, [_to_score(path, time, entry) for entry in scored]


def _to_result(path: Path, entry: Entry) -> Result:
    medians_s = [statistics.median(sample.steps_s) for sample in entry.samples]
    latency_s = statistics.median(medians_s)
    interval_s = bound_median(np.sort(medians_s), CONFIDENCE)
    facts = Fields(f"{path}: {entry.test}", {**entry.facts, "batch_size": entry.batch_size})
    circumstances = read_circumstances(facts)
    # A result's batch is one process', the gate's is a step of all of them.
    circumstances["batch_size"] = max(1, entry.batch_size // circumstances["processes"])
    return Result(
        test=entry.test,
        images_per_s=entry.batch_size / latency_s,
        interval=(entry.batch_size / interval_s.high, entry.batch_size / interval_s.low) if interval_s else None,
        latency_s=latency_s,
        steps=sum(len(sample.steps_s) for sample in entry.samples),
        medians_s=tuple(medians_s),
        quantiles=tuple(sample_quantiles([step_s for sample in entry.samples for step_s in sample.steps_s])),
        **circumstances,
    )


def _to_score(path: Path, time: datetime, entry: Entry) -> Score:
    assert entry.scored is not None, "the caller has looked"
    ranks, facts = entry.scored.ranks, Fields(f"{path}: {entry.test}", entry.facts)
    correct1, correct5 = sum(rank < 1 for rank in ranks), sum(rank < 5 for rank in ranks)
    interval = wilson_interval(correct1, len(ranks))
    return Score(
        source=str(path),
        time=time,
        precision=facts.text("precision", ""),
        data=facts.text("data", ""),
        images=len(ranks),
        correct1=correct1,
        correct5=correct5,
        interval=(interval.low, interval.high),
        versions=read_versions(facts.nested("versions")),
    )


def _read_verdicts(entries: Fields) -> list[Judged]:
    tests: Mapping[str, Fields] = {test: entries.nested(test) for test in entries.values}
    return [
        Judged(test, fields.text("verdict"), fields.text("reason", ""))
        for test, fields in tests.items()
        if fields.has("verdict")
    ]
