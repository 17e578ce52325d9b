"""Put a judgement on times into one line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet_fixtures.gate.samples import Metric
from resnet_fixtures.gate.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet_fixtures.gate.tolerance import Tolerance
    from resnet_fixtures.stats.summary import Interval


CURE = "raise --gate-max-time or the tolerance"


@dataclass(frozen=True)
class Values:
    """What the sentence says: both values in the metric's unit, the run's at the baseline's speed of the machine.

    `loss`, its `interval` and its one-sided bound `upper95` are shares, above 0 for the worse. `cure` may decide an
    undecided test.
    """

    metric: Metric
    baseline: float
    run: float
    loss: float
    interval: Interval | None
    upper95: float | None
    cure: str = CURE


def describe(
    verdict: Verdict, values: Values, tolerance: Tolerance, details: Sequence[str], sides: tuple[str, str] = ("", "")
) -> str:
    """Say both values and their change, then in brackets what is allowed, how sure it is, and the details."""
    sign = -1 if values.metric is Metric.IMAGES_PER_S else 1  # a loss is less throughput, but more time
    change = sign * values.loss
    run, baseline = format_values(values.metric, values.run, values.baseline)
    compared = (
        f"{run}{sides[0]} is {format_percent(abs(change))} {'below' if change < 0 else 'above'} {baseline}{sides[1]}"
    )
    brackets = [f"allowed {tolerance}"]
    if values.interval:
        low, high = sorted((sign * values.interval.low, sign * values.interval.high))
        level = f"{format_confidence(values.interval.confidence)} % interval"
        brackets.append(f"{level} {_signed(low)} … {_signed(high)} %")
    if verdict is Verdict.PASS and values.upper95 is not None:
        brackets.append(f"at 95 % {_bound_loss(values.upper95)}")
    return f"{compared} ({'; '.join((*brackets, *details))}){_explain(verdict, values)}"


def count(number: int, metric: Metric) -> str:
    """Count the samples: processes, or trainings."""
    noun, ending = ("training", "s") if metric is Metric.TIME_TO_TARGET_S else ("process", "es")
    return f"{number} {noun}{'' if number == 1 else ending}"


def describe_speed(log_change: float) -> str:
    """Say how much slower or faster the reference was in this run."""
    change = math.expm1(log_change)
    return f"{format_percent(abs(change))} {'slower' if change > 0 else 'faster'}"


def format_values(metric: Metric, run: float, baseline: float) -> tuple[str, str]:
    """Write both in one unit, that of the run with it: images/s, or the baseline's fitting unit of time."""
    if metric is Metric.IMAGES_PER_S:
        return f"{_digits(run)} img/s", _digits(baseline)
    unit, factor = _choose_unit(baseline)
    return f"{_digits(run * factor)} {unit}", f"{_digits(baseline * factor)} {unit}"


def format_percent(share: float) -> str:
    """Write a share in per cent, with two digits behind the point below 2 %."""
    return f"{_digits_of_percent(share)} %"


def format_confidence(confidence: float) -> str:
    """Write a level in per cent, cut behind two digits of what is missing to 100: 99.75, 99.968, 99."""
    decimals = max(0, math.ceil(-math.log10(100 * (1 - confidence)))) + 1
    cut = math.floor(confidence * 10 ** (decimals + 2) + 1e-6) / 10**decimals
    return f"{cut:.{decimals}f}".rstrip("0").rstrip(".")


def _choose_unit(time_s: float) -> tuple[str, float]:
    if time_s >= 1:
        return "s", 1.0
    return ("ms", 1e3) if time_s >= 1e-3 else ("µs", 1e6)


def _explain(verdict: Verdict, values: Values) -> str:
    if verdict is not Verdict.INCONCLUSIVE:
        return ""
    if values.upper95 is None:
        cure = "take more samples, here with --gate-max-time and of the baseline with --gate-update"
        return f", undecided as single values, or equal ones, have no scatter to judge by: {cure}"
    most = format_percent(values.upper95)
    return f", undecided as the loss may be up to {most} at 95 %: {values.cure}"


def _bound_loss(upper95: float) -> str:
    return f"the loss is below {format_percent(upper95)}" if upper95 > 0 else "there is no loss"


def _signed(share: float) -> str:
    return f"{'-' if share < 0 else '+'}{_digits_of_percent(abs(share))}"


def _digits_of_percent(share: float) -> str:
    percent = 100 * share
    if percent >= 1000:
        return f"{percent:.0e}"
    return f"{percent:.{1 if percent >= 1.995 else 2}f}"


def _digits(value: float) -> str:
    """Write three digits or more, one of them behind the point."""
    if not 1e-9 <= value < 1e12:  # no step takes so long or so short
        return f"{value:.3g}"
    return f"{value:,.{max(1, 2 - math.floor(math.log10(value)))}f}"
