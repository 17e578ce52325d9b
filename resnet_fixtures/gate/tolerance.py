"""How much a metric may lose before the gate calls it a regression."""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING

from resnet_fixtures.gate.samples import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable


class Unit(Enum):
    """What a tolerance counts: per cent of the baseline's value, or points of accuracy (a hundredth of the images)."""

    PERCENT = "%"
    POINTS = "points"


@dataclass(frozen=True)
class Tolerance:
    """An amount as it is written: `2 %` is Tolerance(2, Unit.PERCENT).

    A negative amount, one that is not finite, 0 % (which no scatter could ever keep to) and 100 % or more are a
    ValueError. 0 points are a tolerance: no image may be lost.
    """

    amount: float
    unit: Unit

    def __post_init__(self) -> None:
        least = "above 0 %" if self.unit is Unit.PERCENT else "0 points or more"
        is_too_small = self.amount < 0 or (self.amount == 0 and self.unit is Unit.PERCENT)
        if not math.isfinite(self.amount) or is_too_small or self.amount >= 100:
            raise ValueError(f"a tolerance of {self} cannot be: one is {least} and below 100")

    def __str__(self) -> str:
        is_one_point = self.amount == 1 and self.unit is Unit.POINTS
        return "1 point" if is_one_point else f"{self.amount:g} {self.unit.value}"

    @property
    def share(self) -> Fraction:
        """Give the tolerance as a share, exactly as its decimal digits are written: 0.05 points are 1/2000."""
        return Fraction(str(self.amount)) / 100


UNITS = {
    Metric.IMAGES_PER_S: Unit.PERCENT,
    Metric.LATENCY_S: Unit.PERCENT,
    Metric.TIME_TO_TARGET_S: Unit.PERCENT,
    Metric.ACCURACY: Unit.POINTS,
}
DEFAULT_TOLERANCES = {
    Metric.IMAGES_PER_S: Tolerance(1, Unit.PERCENT),
    Metric.LATENCY_S: Tolerance(1, Unit.PERCENT),
    Metric.TIME_TO_TARGET_S: Tolerance(10, Unit.PERCENT),  # seeds alone move it by several per cent
    Metric.ACCURACY: Tolerance(0.05, Unit.POINTS),
}
_EXAMPLES = {Unit.PERCENT: "2%", Unit.POINTS: "0.1 points"}


def parse_tolerance(text: str) -> Tolerance:
    """Parse `2%` or `0.1 points`; anything else is an ArgumentTypeError that says what to write."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(%|points?)\s*", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no tolerance; pass one such as 2% or '0.1 points'")
    unit = Unit.PERCENT if match[2] == "%" else Unit.POINTS
    try:
        return Tolerance(float(match[1]), unit)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; pass one such as {_EXAMPLES[unit]!r}") from None


def parse_metric_tolerance(text: str) -> tuple[Metric, Tolerance]:
    """Parse `images_per_s=2%`; another metric, or a unit that does not fit it, is an ArgumentTypeError."""
    name, equals, amount = text.partition("=")
    names = [metric.value for metric in Metric]
    if not equals or name.strip() not in names:
        raise argparse.ArgumentTypeError(f"{text!r} names no metric; pass METRIC=2%, METRIC one of {', '.join(names)}")
    metric, tolerance = Metric(name.strip()), parse_tolerance(amount)
    try:
        check_unit(metric, tolerance)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return metric, tolerance


def collect_tolerances(pairs: Iterable[tuple[Metric, Tolerance]]) -> dict[Metric, Tolerance]:
    """Map the metrics to their tolerances; a second one for a metric is an ArgumentTypeError."""
    tolerances: dict[Metric, Tolerance] = {}
    for metric, tolerance in pairs:
        if metric in tolerances:
            both = f"{tolerances[metric]} and {tolerance}"
            raise argparse.ArgumentTypeError(f"{metric.value} has two tolerances, {both}; pass one")
        tolerances[metric] = tolerance
    return tolerances


def default_tolerance(metric: Metric) -> Tolerance:
    """Return what a metric may lose where nobody says otherwise."""
    return DEFAULT_TOLERANCES[metric]


def check_unit(metric: Metric, tolerance: Tolerance) -> None:
    """Raise a ValueError, one sentence with the cure, where the tolerance's unit is not the metric's."""
    unit = UNITS[metric]
    if tolerance.unit is not unit:
        asked = "per cent" if unit is Unit.PERCENT else "points"
        raise ValueError(
            f"{metric.value} is judged in {asked}, not by {tolerance}; pass one such as {_EXAMPLES[unit]!r}"
        )
