from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.samples import Metric
from resnet_fixtures.gate.timing_reason import (
    Values,
    count,
    describe,
    describe_speed,
    format_confidence,
    format_percent,
    format_values,
)
from resnet_fixtures.gate.tolerance import Tolerance, Unit
from resnet_fixtures.gate.verdict import Verdict
from resnet_fixtures.stats.summary import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE_PERCENT = Tolerance(1, Unit.PERCENT)
SLOWER = Values(Metric.IMAGES_PER_S, 86.5, 81.2, 0.0613, Interval(0.049, 0.074, 0.999), 0.07)


def say(verdict: Verdict, values: Values, details: Sequence[str] = ("10 and 20 processes",)) -> str:
    return describe(verdict, values, ONE_PERCENT, details)


def test_a_regression_of_throughput() -> None:
    details = ("10 and 20 processes", "the machine itself 2.0 % slower, taken out", "tensorflow 2.20.0 -> 2.21.0")
    assert say(Verdict.REGRESSED, SLOWER, details) == (
        "81.2 img/s is 6.1 % below 86.5 (allowed 1 %; 99.9 % interval -7.4 … -4.9 %; 10 and 20 processes; "
        "the machine itself 2.0 % slower, taken out; tensorflow 2.20.0 -> 2.21.0)"
    )


def test_the_same_loss_of_latency_is_above() -> None:
    values = Values(Metric.LATENCY_S, 0.012, 0.01274, 0.0613, Interval(0.049, 0.074, 0.9975), 0.07)
    assert say(Verdict.REGRESSED, values) == (
        "12.7 ms is 6.1 % above 12.0 ms (allowed 1 %; 99.75 % interval +4.9 … +7.4 %; 10 and 20 processes)"
    )


def test_an_improvement() -> None:
    values = Values(Metric.TIME_TO_TARGET_S, 1260.0, 1134.0, -0.1, Interval(-0.2, -0.001, 0.99), -0.02)
    assert say(Verdict.IMPROVED, values) == (
        "1,134.0 s is 10.0 % below 1,260.0 s (allowed 1 %; 99 % interval -20.0 … -0.10 %; 10 and 20 processes)"
    )


@pytest.mark.parametrize(
    ("upper95", "bound"), [(0.0071, "at 95 % the loss is below 0.71 %"), (-0.001, "at 95 % there is no loss")]
)
def test_a_pass_says_what_it_refutes(upper95: float, bound: str) -> None:
    values = Values(Metric.IMAGES_PER_S, 86.5, 86.4, 0.0012, Interval(-0.009, 0.011, 0.999), upper95)
    assert say(Verdict.PASS, values) == (
        f"86.4 img/s is 0.12 % below 86.5 (allowed 1 %; 99.9 % interval -1.10 … +0.90 %; {bound}; 10 and 20 processes)"
    )


def test_what_is_undecided_says_how_large_the_loss_may_be_and_the_cure() -> None:
    values = Values(Metric.IMAGES_PER_S, 86.5, 86.4, 0.0012, Interval(-0.05, 0.05, 0.999), 0.034)
    assert say(Verdict.INCONCLUSIVE, values) == (
        "86.4 img/s is 0.12 % below 86.5 (allowed 1 %; 99.9 % interval -5.0 … +5.0 %; 10 and 20 processes), "
        "undecided as the loss may be up to 3.4 % at 95 %: raise --gate-max-time or the tolerance"
    )


def test_without_an_interval_the_sentence_asks_for_samples() -> None:
    values = Values(Metric.IMAGES_PER_S, 86.5, 81.2, 0.0613, None, None)
    assert say(Verdict.INCONCLUSIVE, values, ("1 and 1 process",)) == (
        "81.2 img/s is 6.1 % below 86.5 (allowed 1 %; 1 and 1 process), undecided as single values, or equal ones, "
        "have no scatter to judge by: take more samples, here with --gate-max-time and of the baseline with "
        "--gate-update"
    )


def test_two_sides_have_names() -> None:
    sentence = describe(Verdict.REGRESSED, SLOWER, ONE_PERCENT, ("10 pairs",), (" (this)", " (against)"))
    assert sentence.startswith("81.2 img/s (this) is 6.1 % below 86.5 (against) (allowed 1 %;")


@pytest.mark.parametrize(
    ("confidence", "text"),
    [(0.99, "99"), (0.9975, "99.75"), (0.999, "99.9"), (1 - 0.01 / 8, "99.87"), (1 - 0.01 / 32, "99.968")],
)
def test_levels_are_cut_and_never_rounded_up(confidence: float, text: str) -> None:
    assert format_confidence(confidence) == text


@pytest.mark.parametrize("tests", [*range(1, 100), 10_000])
def test_a_level_below_1_is_never_written_as_100(tests: int) -> None:
    level = 1 - 0.01 / (4 * tests)
    assert level - 0.1 * (1 - level) * 100 <= float(format_confidence(level)) / 100 <= level + 1e-9


@pytest.mark.parametrize(
    ("metric", "run", "baseline", "texts"),
    [
        (Metric.IMAGES_PER_S, 1234.56, 8.125, ("1,234.6 img/s", "8.12")),
        (Metric.IMAGES_PER_S, 0.05123, 0.5, ("0.0512 img/s", "0.500")),
        (Metric.LATENCY_S, 1.02, 0.99, ("1,020.0 ms", "990.0 ms")),
        (Metric.LATENCY_S, 0.000234, 0.00025, ("234.0 µs", "250.0 µs")),
        (Metric.TIME_TO_TARGET_S, 63.1, 60.0, ("63.1 s", "60.0 s")),
        (Metric.IMAGES_PER_S, 1e40, 1e-40, ("1e+40 img/s", "1e-40")),
    ],
)
def test_values_have_three_digits_and_one_unit(
    metric: Metric, run: float, baseline: float, texts: tuple[str, str]
) -> None:
    assert format_values(metric, run, baseline) == texts


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.00 %"), (0.0061, "0.61 %"), (0.0199, "1.99 %"), (0.02, "2.0 %"), (0.25, "25.0 %"), (1e40, "1e+42 %")],
)
def test_per_cents(share: float, text: str) -> None:
    assert format_percent(share) == text


def test_counts_and_speeds() -> None:
    assert [count(n, Metric.LATENCY_S) for n in (1, 2)] == ["1 process", "2 processes"]
    assert [count(n, Metric.TIME_TO_TARGET_S) for n in (1, 5)] == ["1 training", "5 trainings"]
    assert [describe_speed(change) for change in (0.0198, -0.0202)] == ["2.0 % slower", "2.0 % faster"]
