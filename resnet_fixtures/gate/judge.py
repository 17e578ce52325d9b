"""Judge a run against a baseline, from what is stored: nothing is measured here."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.accuracy_judge import judge_accuracy
from resnet_fixtures.gate.compatibility import describe_changes, find_difference, is_same
from resnet_fixtures.gate.samples import Metric
from resnet_fixtures.gate.sampling import DEFAULT_LOOKS
from resnet_fixtures.gate.timing_judge import Question, judge_timing, judge_timing_pairs
from resnet_fixtures.gate.tolerance import check_unit, default_tolerance, parse_tolerance
from resnet_fixtures.gate.verdict import GREEN, Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resnet_fixtures.gate.samples import Entry, ProcessSample
    from resnet_fixtures.gate.tolerance import Tolerance

ALPHA = 0.01  # a false REGRESSED in a run of the gate, over all its tests and looks
MIN_TRAININGS = 3
NO_COMMON_REFERENCE = "no common reference, so that the machine's drift is not taken out"
TOLERANCE_FACT = "gate_tolerance"


@dataclass(frozen=True)
class Rules:
    """By what a run is judged.

    `tolerances` replace the metrics' defaults. A test's own tolerance stands in its entry's facts as `gate_tolerance`
    ("2%"), so that two stored runs are judged as the run itself was. `tests` counts the timings that are judged
    together, `looks` how often the samples of one may be looked at: they share `alpha`. A tolerance in a unit that
    does not fit its metric is a ValueError.
    """

    tolerances: Mapping[Metric, Tolerance] = field(default_factory=dict)
    tests: int = 1
    looks: int = len(DEFAULT_LOOKS)
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        for metric, tolerance in self.tolerances.items():
            check_unit(metric, tolerance)
        if self.tests < 1 or self.looks < 1:
            raise ValueError("at least one test is judged, and its samples are looked at once or more")

    @property
    def confidence(self) -> float:
        """Give the level of one interval, so that all of them together hold at 1 - alpha."""
        return 1 - self.alpha / (self.tests * self.looks)

    def tolerance_for(self, entry: Entry) -> Tolerance:
        """Return what a test may lose: its own tolerance, else its metric's; InputError for one that cannot be."""
        own = entry.facts.get(TOLERANCE_FACT)
        if own is None:
            return self.tolerances.get(entry.metric, default_tolerance(entry.metric))
        try:
            tolerance = parse_tolerance(str(own))
            check_unit(entry.metric, tolerance)
        except (argparse.ArgumentTypeError, ValueError) as error:
            raise InputError(f"{entry.test}: {error}.") from None
        return tolerance


def judge_runs(
    baseline: Mapping[str, Entry], run: Mapping[str, Entry], rules: Rules, baseline_name: str
) -> list[Judgement]:
    """Judge every test of both sides: the run's in its order, then those that the run lacks, as INCOMPATIBLE.

    `rules.tests` is counted here. Two empty sides give an empty list, which `are_green` does not take for green.
    """
    rules = replace(rules, tests=max(1, count_timings(baseline, run)))
    judged = [judge(baseline.get(test), entry, rules, baseline_name) for test, entry in run.items()]
    return judged + [judge_unmeasured(test, baseline_name) for test in baseline if test not in run]


def count_timings(baseline: Mapping[str, Entry], run: Iterable[str]) -> int:
    """Count the tests of a run that are judged together by their times; accuracy is counted exactly, by no chance."""
    return sum(test in baseline and baseline[test].metric is not Metric.ACCURACY for test in run)


def judge(baseline: Entry | None, run: Entry, rules: Rules, baseline_name: str) -> Judgement:
    """Judge one test; INCONCLUSIVE says that more samples may decide it."""
    if baseline is None:
        reason = f"has no baseline in {baseline_name}: run with --gate-update"
        return Judgement(run.test, Verdict.NO_BASELINE, reason)
    difference = find_difference(baseline, run)
    if difference:
        cure = "run with --gate-update here, or compare with --against"
        return Judgement(run.test, Verdict.INCOMPATIBLE, f"{difference.describe(baseline_name)}: {cure}")
    tolerance = rules.tolerance_for(run)
    if run.metric is Metric.ACCURACY:
        notes = describe_changes(baseline.facts, run.facts)
        return judge_accuracy(run.test, baseline.scored, run.scored, tolerance, baseline_name, notes)
    return _judge_times(baseline, run, rules, tolerance, baseline_name)


def judge_pairs(
    test: str,
    metric: Metric,
    batch_size: int,
    pairs: Sequence[tuple[ProcessSample, ProcessSample]],
    tolerance: Tolerance,
    tests: int,
    looks: int,
) -> Judgement:
    """Judge pairs of processes that took turns, each (the other side, this side): REGRESSED where this one is slower.

    Both of a pair have as many steps, and pairs alternate in which side was started first. No pair at all is
    INCONCLUSIVE.
    """
    rules = Rules({metric: tolerance}, tests, looks)
    question = Question(test, metric, batch_size, tolerance, rules.confidence, (), (" (this)", " (against)"))
    return judge_timing_pairs(question, pairs)


def judge_unmeasured(test: str, baseline_name: str) -> Judgement:
    """Say that a test of the baseline is missing from the run: renamed, left out, or failed before it measured."""
    cure = "run it, or write another baseline with --gate-update"
    return Judgement(test, Verdict.INCOMPATIBLE, f"was not measured, but {baseline_name} has it: {cure}")


def is_green(verdict: Verdict, *, inconclusive_fails: bool) -> bool:
    """Tell whether a verdict lets its test pass."""
    return verdict in GREEN or (verdict is Verdict.INCONCLUSIVE and not inconclusive_fails)


def are_green(judgements: Sequence[Judgement], *, inconclusive_fails: bool) -> bool:
    """Tell whether a run passes: something was judged, and all of it is green."""
    return bool(judgements) and all(is_green(one.verdict, inconclusive_fails=inconclusive_fails) for one in judgements)


def _judge_times(baseline: Entry, run: Entry, rules: Rules, tolerance: Tolerance, baseline_name: str) -> Judgement:
    if run.metric is Metric.TIME_TO_TARGET_S:
        if min(len(baseline.samples), len(run.samples)) < MIN_TRAININGS:
            counts = f"{len(run.samples)} and {len(baseline.samples)} trainings"
            reason = f"{counts} are too few, {MIN_TRAININGS} are needed here and in {baseline_name}"
            return Judgement(run.test, Verdict.INCONCLUSIVE, f"{reason}: run with --mlperf-runs 5")
        rules = replace(rules, looks=1)  # no training is added to those that were run
    has_common_reference = _has_common_reference(baseline, run)
    notes = describe_changes(baseline.facts, run.facts)
    if not has_common_reference and "reference" in {*baseline.facts, *run.facts}:
        notes = (NO_COMMON_REFERENCE, *notes)
    question = Question(run.test, run.metric, run.batch_size, tolerance, rules.confidence, notes)
    return judge_timing(question, baseline.samples, run.samples, has_common_reference=has_common_reference)


def _has_common_reference(baseline: Entry, run: Entry) -> bool:
    reference = run.facts.get("reference")
    return reference is not None and is_same(reference, baseline.facts.get("reference"))
