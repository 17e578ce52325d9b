"""Measure through pytest-benchmark's fixture, and leave the result in its JSON."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from resnet_fixtures.errors import RunError
from resnet_fixtures.stats.summary import Interval, images_per_s_interval
from resnet_fixtures.timing.measurement import MIN_STEPS, Measurement, describe_cut, plan_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resnet_fixtures.timing.measurement import StepBudget, WarmUp


class PedanticBenchmark(Protocol):
    """The members of pytest-benchmark's `benchmark` fixture that the suite uses."""

    group: str | None
    extra_info: dict[str, Any]
    stats: Any  # None until `pedantic` has run; then the raw rounds are in .stats.data, in seconds

    @property
    def enabled(self) -> bool:
        """Tell whether rounds are timed: not with --benchmark-disable, and not under xdist."""

    def pedantic(
        self, target: Callable[[], object], *, setup: Callable[[], None] | None, rounds: int, iterations: int
    ) -> object:
        """Time `rounds` calls of the target, and call `setup` before each, outside the timed part."""


def refuse_second_timing(benchmark: PedanticBenchmark, test: str) -> None:
    """Raise a RunError where a test has been timed: pytest-benchmark keeps one timing of each."""
    if benchmark.stats is not None:
        raise RunError(f"{test} is timed twice, and pytest-benchmark keeps one timing of a test: split it.")


def measure(
    benchmark: PedanticBenchmark,
    step: Callable[[], object],
    batch_size: int,
    budget: StepBudget,
    warmup: WarmUp,
    on_step: Callable[[int, float], object] | None = None,
) -> Measurement:
    """Time as many steps as the warm-ups left time for, each one round of the benchmark.

    The warm-ups have been run before, because `pedantic` throws the times of its own away. Where the steps turn out
    longer than the warm-ups, they end with the time. `on_step` hears each step's number (from 1, the warm-ups counted
    in) and seconds, outside the timed part. A disabled benchmark is a RunError: nothing passes without a measurement.
    """
    if not benchmark.enabled:
        raise RunError(
            "pytest-benchmark is disabled, so nothing would be measured: leave --benchmark-disable and -n out."
        )
    between_steps = BetweenSteps(benchmark, warmup, budget, on_step)
    with suppress(TimeIsOver):
        benchmark.pedantic(step, setup=between_steps, rounds=plan_steps(warmup, budget), iterations=1)
        between_steps.report()
    steps_s = tuple(benchmark.stats.stats.data)
    return Measurement(
        batch_size=batch_size,
        warmup_s=warmup.seconds,
        steps_s=steps_s,
        cut=describe_cut(budget, len(warmup.seconds), len(steps_s)),
    )


class TimeIsOver(BaseException):
    """Ends `pedantic` between two rounds, which are kept; of an Exception it would say that the benchmark failed."""


class BetweenSteps:
    """Called before each round, outside of its timed part: tells the last one's time, and ends them with the budget."""

    def __init__(
        self,
        benchmark: PedanticBenchmark,
        warmup: WarmUp,
        budget: StepBudget,
        on_step: Callable[[int, float], object] | None,
    ) -> None:
        self._benchmark = benchmark
        self._warmup_steps = len(warmup.seconds)
        self._left_s = budget.max_time_s - sum(warmup.seconds)
        self._on_step = on_step

    def __call__(self) -> None:
        """Raise TimeIsOver where the last round took the rest of the time, and there are MIN_STEPS."""
        self.report()
        if self._left_s <= 0 and len(self._benchmark.stats.stats.data) >= MIN_STEPS:
            raise TimeIsOver

    def report(self) -> None:
        """Tell the last round's time, if there has been one."""
        times_s = self._benchmark.stats.stats.data
        if not times_s:
            return
        self._left_s -= times_s[-1]
        if self._on_step:
            self._on_step(self._warmup_steps + len(times_s), times_s[-1])


def record(benchmark: PedanticBenchmark, measurement: Measurement, facts: Mapping[str, object]) -> None:
    """Write the facts and the result fields into the benchmark's extra_info; a field without a value stays absent."""
    fields = {**facts, **result_fields(measurement)}
    benchmark.extra_info.update({name: value for name, value in fields.items() if value is not None})


def result_fields(measurement: Measurement) -> dict[str, object]:
    """Name the measurement's values as the result file does; None where the sample cannot carry one."""
    summary = measurement.summary()
    if measurement.is_pooled:
        summary = replace(summary, median_interval_s=None, p90_upper_s=None, p99_upper_s=None)
    latency_s = summary.median_interval_s
    images_per_s = images_per_s_interval(measurement.batch_size, latency_s) if latency_s else None
    return {
        "batch_size": measurement.batch_size,
        "images_per_s": measurement.images_per_s,
        "images_per_s_interval": as_pair(images_per_s),
        "latency_median_s": summary.median_s,
        "latency_median_interval_s": as_pair(latency_s),
        "latency_p90_s": summary.p90_s,
        "latency_p90_upper_s": summary.p90_upper_s,
        "latency_p99_s": summary.p99_s,
        "latency_p99_upper_s": summary.p99_upper_s,
        "warmup_steps": len(measurement.warmup_s),
        "warmup_s": list(measurement.warmup_s),
        "steps": summary.steps,
        "cut": measurement.cut,
    }


def as_pair(interval: Interval | None) -> list[float] | None:
    """Write an interval as JSON does: [low, high]."""
    return [interval.low, interval.high] if interval else None
