"""Judge times: by their ratio to the reference beside them where that helps, else as they were taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from statistics import fmean, median
from typing import TYPE_CHECKING

from resnet_fixtures.gate import timing_reason
from resnet_fixtures.gate.samples import Metric
from resnet_fixtures.gate.verdict import Judgement, Verdict
from resnet_fixtures.stats.covariate import Slope, fit_slope, remove_slope, widen
from resnet_fixtures.stats.ratio import MIN_SPREAD, Change, compare_crossover, compare_groups, measure_spread
from resnet_fixtures.stats.summary import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet_fixtures.gate.samples import ProcessSample
    from resnet_fixtures.gate.tolerance import Tolerance

    Groups = tuple[Sequence[float], Sequence[float]]  # the baseline's values and the run's

TRIMMED = 0.2  # at each end: Wilcox, Introduction to Robust Estimation and Hypothesis Testing, 3.3
REFUTED_TOLERANCES = 2  # a PASS refutes a loss of so many tolerances
WEAK_BASELINE = "write the baseline, which has fewer, again: --gate-update with a longer --gate-max-time"
DRIFT_CONFIDENCE = 0.95
# How the ratio changes with the reference, in logarithms: not at all where a step is slowed as its reference is. Seen
# (docs/gate.md): 0 at batch 1, -0.3 to 0.1 at 16 and 128, and from one cause of slowness to another 0.07 √2 apart.
EXPECTED_SLOPE = Slope(0.0, 0.3)
SLOPE_ERROR_OF_CAUSES = 0.07
REFERENCE_ERROR = 0.01  # references of equal processes differ by up to so much
LARGEST_LOG = 100.0  # two processes that differ much give intervals beyond what a float can raise e to


@dataclass(frozen=True)
class Question:
    """What is asked of the samples of one test.

    `notes` are what else differs, for the reason's end; `sides` go behind the two values of the sentence.
    """

    test: str
    metric: Metric
    batch_size: int
    tolerance: Tolerance
    confidence: float
    notes: tuple[str, ...] = ()
    sides: tuple[str, str] = ("", "")

    def to_loss(self, log_change: float) -> float:
        """Convert a change of the log time to the share that is lost: of the throughput, or added to the time."""
        log_change = _cut(log_change)
        return -math.expm1(-log_change) if self.metric is Metric.IMAGES_PER_S else math.expm1(log_change)

    def to_value(self, log_time: float) -> float:
        """Convert a log time to what the metric counts: images/s or seconds."""
        time_s = math.exp(_cut(log_time))
        return self.batch_size / time_s if self.metric is Metric.IMAGES_PER_S else time_s


@dataclass(frozen=True)
class Comparison:
    """The change that is judged, and the reference's own: that of the machine, None where there is none to use.

    `taken_out` is the share of the machine's change that the judged one is without; None where it is of the times.
    """

    change: Change
    machine: Change | None = None
    taken_out: float | None = None


def judge_timing(
    question: Question,
    baseline: Sequence[ProcessSample],
    run: Sequence[ProcessSample],
    *,
    has_common_reference: bool,
) -> Judgement:
    """Judge two groups of independent processes."""
    comparison = compare(baseline, run, question, has_common_reference=has_common_reference)
    counts = f"{len(run)} and {timing_reason.count(len(baseline), question.metric)}"
    judgement = partial(_conclude, question, comparison, median(sample.log_step for sample in baseline), counts)
    return judgement(WEAK_BASELINE) if len(baseline) < len(run) else judgement()


def judge_timing_pairs(question: Question, pairs: Sequence[tuple[ProcessSample, ProcessSample]]) -> Judgement:
    """Judge pairs of processes that took turns, each (other, this): what slows the machine slows both.

    Pairs alternate in which side was started first, because that one is slower (docs/gate.md).
    """
    if not pairs:
        return Judgement(question.test, Verdict.INCONCLUSIVE, "no pair of processes was measured")
    differences = [compare_in_turns(other, this) for other, this in pairs]
    change = compare_crossover(differences[0::2], differences[1::2], question.confidence)
    counts = f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of processes"
    log_baseline = fmean(other.log_step for other, _ in pairs)
    return _conclude(question, Comparison(change), log_baseline, counts)


def compare_in_turns(other: ProcessSample, this: ProcessSample) -> float:
    """Return the trimmed mean log ratio of this side's steps to the other's of the same number, near to them in time.

    Outliers move it no more than a median, and what is left after them is averaged: of 12 pairs of `int8` at batch 128
    the medians scattered by 3.8 %, the trimmed means by 3.4 %.
    """
    from scipy.stats import trim_mean

    ratios = [math.log(here / there) for there, here in zip(other.steps_s, this.steps_s, strict=True)]
    return float(trim_mean(ratios, TRIMMED))


def compare(
    baseline: Sequence[ProcessSample],
    run: Sequence[ProcessSample],
    question: Question,
    *,
    has_common_reference: bool,
) -> Comparison:
    """Choose between the times and their ratio to the reference.

    The ratio is chosen where it scatters no more than the times, or where the reference says by itself that the
    machine's speed differs between the sides, by more than half the tolerance. Two chances for a false alarm are no
    more than the confidence allows: each is in one tail of a two-sided interval.

    A step does not always change as much as its reference, so the ratio may still follow the machine. By how much is
    fitted over the processes of both sides and taken out, and the interval allows for what is not known of it.
    """
    times = [one.log_step for one in baseline], [one.log_step for one in run]
    ratios = _known([one.log_ratio for one in baseline]), _known([one.log_ratio for one in run])
    references = _known([one.log_reference for one in baseline]), _known([one.log_reference for one in run])
    if not (has_common_reference and all(ratios)):
        return Comparison(compare_groups(*times, question.confidence))
    machine = compare_groups(*references, DRIFT_CONFIDENCE)
    slope = fit_slope(ratios, references, EXPECTED_SLOPE, REFERENCE_ERROR)
    steadied = remove_slope(ratios, references, slope)
    if not (_scatters_less(steadied, times) or _has_drifted(machine, question.tolerance)):
        return Comparison(compare_groups(*times, question.confidence), machine)
    error = math.hypot(slope.error, SLOPE_ERROR_OF_CAUSES) * machine.estimate
    change = widen(compare_groups(*steadied, question.confidence), error)
    return Comparison(change, machine, taken_out=1 + slope.estimate)


def decide(loss: float, interval: Interval | None, upper95: float | None, tolerance: float) -> Verdict:
    """Judge a loss, a share, by its two-sided interval and its one-sided upper bound; INCONCLUSIVE is undecided."""
    if interval is None or upper95 is None:
        return Verdict.INCONCLUSIVE
    if interval.low > 0 and loss > tolerance:
        return Verdict.REGRESSED
    if interval.high < 0 and loss < -tolerance:
        return Verdict.IMPROVED
    if loss <= tolerance and upper95 <= REFUTED_TOLERANCES * tolerance:
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def _conclude(
    question: Question, comparison: Comparison, log_baseline: float, counts: str, cure: str = timing_reason.CURE
) -> Judgement:
    change, to_loss = comparison.change, question.to_loss
    bounds = change.interval
    interval = Interval(to_loss(bounds.low), to_loss(bounds.high), bounds.confidence) if bounds else None
    upper95 = None if change.upper95 is None else to_loss(change.upper95)
    loss = to_loss(change.estimate)
    verdict = decide(loss, interval, upper95, float(question.tolerance.share))
    values = timing_reason.Values(
        metric=question.metric,
        baseline=question.to_value(log_baseline),
        run=question.to_value(log_baseline + change.estimate),
        loss=loss,
        interval=interval,
        upper95=upper95,
        cure=cure,
    )
    details = (counts, *_describe_machine(comparison), *question.notes)
    reason = timing_reason.describe(verdict, values, question.tolerance, details, question.sides)
    return Judgement(question.test, verdict, reason, loss, interval)


def _cut(log: float) -> float:
    return max(-LARGEST_LOG, min(LARGEST_LOG, log))


def _known(values: Sequence[float | None]) -> list[float]:
    """Return the values, none of them where one is missing."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


def _scatters_less(ratios: Groups, times: Groups) -> bool:
    of_ratios, of_times = measure_spread(*ratios), measure_spread(*times)
    return of_ratios is not None and of_times is not None and of_ratios <= of_times + MIN_SPREAD


def _has_drifted(machine: Change, tolerance: Tolerance) -> bool:
    if machine.interval is None or machine.interval.low <= 0 <= machine.interval.high:
        return False
    return abs(machine.estimate) > tolerance.share / 2


def _describe_machine(comparison: Comparison) -> tuple[str, ...]:
    if comparison.machine is None or comparison.change.spread is None:
        return ()
    if comparison.taken_out is None:
        return ("the reference scatters more than the steps, and is left out",)
    speed = timing_reason.describe_speed(comparison.machine.estimate)
    return (f"the machine itself {speed}, {100 * comparison.taken_out:.0f} % of it taken out",)
