from __future__ import annotations

import argparse
from fractions import Fraction

import pytest

from resnet_fixtures.gate.samples import Metric
from resnet_fixtures.gate.tolerance import (
    DEFAULT_TOLERANCES,
    UNITS,
    Tolerance,
    Unit,
    check_unit,
    default_tolerance,
    parse_metric_tolerance,
    parse_tolerance,
)


@pytest.mark.parametrize(
    ("text", "amount", "unit", "share", "written"),
    [
        ("2%", 2, Unit.PERCENT, Fraction(1, 50), "2 %"),
        (" 0.5 % ", 0.5, Unit.PERCENT, Fraction(1, 200), "0.5 %"),
        (".5%", 0.5, Unit.PERCENT, Fraction(1, 200), "0.5 %"),
        ("0.1 points", 0.1, Unit.POINTS, Fraction(1, 1000), "0.1 points"),
        ("1 point", 1, Unit.POINTS, Fraction(1, 100), "1 point"),
        ("0points", 0, Unit.POINTS, Fraction(0), "0 points"),
    ],
)
def test_tolerances_are_parsed(text: str, amount: float, unit: Unit, share: Fraction, written: str) -> None:
    tolerance = parse_tolerance(text)
    assert (tolerance, tolerance.share, str(tolerance)) == (Tolerance(amount, unit), share, written)
    assert parse_tolerance(str(tolerance)) == tolerance


@pytest.mark.parametrize("text", ["", "2", "%", "two %", "-2%", "nan%", "inf%", "1e3%", "2% of it", "٢%", "2 %\n3 %"])
def test_what_is_no_tolerance_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no tolerance; pass one such as 2% or '0\.1 points'"):
        parse_tolerance(text)


def test_no_scatter_keeps_to_0_per_cent() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"0 % cannot be: one is above 0 % and below 100; pass .*'2%'"):
        parse_tolerance("0%")


@pytest.mark.parametrize(("text", "example"), [("100%", "2%"), ("100 points", "0.1 points")])
def test_a_whole_loss_is_no_tolerance(text: str, example: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"cannot be: .* below 100; pass one such as '{example}'"):
        parse_tolerance(text)


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -1.0])
def test_amounts_that_count_nothing_are_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Tolerance(amount, Unit.POINTS)


def test_metric_and_tolerance_are_parsed_together() -> None:
    assert parse_metric_tolerance("latency_s=2%") == (Metric.LATENCY_S, Tolerance(2, Unit.PERCENT))
    assert parse_metric_tolerance("accuracy = 0.1 points") == (Metric.ACCURACY, Tolerance(0.1, Unit.POINTS))


@pytest.mark.parametrize("text", ["2%", "speed=2%", "=2%"])
def test_unknown_metrics_are_refused(text: str) -> None:
    metrics = "images_per_s, latency_s, time_to_target_s, accuracy"
    with pytest.raises(argparse.ArgumentTypeError, match=f"names no metric; pass METRIC=2%, METRIC one of {metrics}"):
        parse_metric_tolerance(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("accuracy=2%", "accuracy is judged in points, not by 2 %; pass one such as '0.1 points'"),
        ("latency_s=1 points", "latency_s is judged in per cent, not by 1 point; pass one such as '2%'"),
    ],
)
def test_units_that_do_not_fit_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=sentence):
        parse_metric_tolerance(text)


@pytest.mark.parametrize("metric", Metric)
def test_every_metric_has_a_default_that_fits(metric: Metric) -> None:
    check_unit(metric, default_tolerance(metric))
    assert set(UNITS) == set(DEFAULT_TOLERANCES) == set(Metric)


def test_defaults_are_the_documented_ones() -> None:
    assert [str(default_tolerance(metric)) for metric in Metric] == ["1 %", "1 %", "10 %", "0.05 points"]
