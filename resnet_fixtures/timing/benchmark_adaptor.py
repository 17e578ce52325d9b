"""Measure through pytest-benchmark's fixture, and leave the result in its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from resnet_fixtures.errors import RunError
from resnet_fixtures.stats.summary import Interval, images_per_s_interval
from resnet_fixtures.timing.measurement import Measurement, describe_cut, plan_steps

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


def measure(
    benchmark: PedanticBenchmark,
    step: Callable[[], object],
    batch_size: int,
    budget: StepBudget,
    warmup: WarmUp,
    on_step: Callable[[int, float], object] | None = None,
) -> Measurement:
    """Time as many steps as the warm-ups left time for, each one round of the benchmark.

    The warm-ups have been run before, because `pedantic` throws the times of its own away. `on_step` hears each
    step's number (from 1, the warm-ups counted in) and seconds, outside the timed part. A disabled benchmark is a
    RunError: nothing passes without a measurement.
    """
    if not benchmark.enabled:
        raise RunError(
            "pytest-benchmark is disabled, so nothing would be measured: leave --benchmark-disable and -n out."
        )
    rounds = plan_steps(warmup, budget)
    report = on_step and StepReport(benchmark, len(warmup.seconds), on_step)
    benchmark.pedantic(step, setup=report, rounds=rounds, iterations=1)
    if report:
        report()
    return Measurement(
        batch_size=batch_size,
        warmup_s=warmup.seconds,
        steps_s=tuple(benchmark.stats.stats.data),
        cut=describe_cut(budget, len(warmup.seconds), rounds),
    )


class StepReport:
    """Tells each round's time once it is over: called before the next round, and after the last."""

    def __init__(
        self, benchmark: PedanticBenchmark, warmup_steps: int, on_step: Callable[[int, float], object]
    ) -> None:
        self._benchmark = benchmark
        self._warmup_steps = warmup_steps
        self._on_step = on_step

    def __call__(self) -> None:
        """Tell the last round's time, if there has been one."""
        times_s = self._benchmark.stats.stats.data
        if times_s:
            self._on_step(self._warmup_steps + len(times_s), times_s[-1])


def record(benchmark: PedanticBenchmark, measurement: Measurement, facts: Mapping[str, object]) -> None:
    """Write the facts and the result fields into the benchmark's extra_info; a field without a value stays absent."""
    fields = {**facts, **result_fields(measurement)}
    benchmark.extra_info.update({name: value for name, value in fields.items() if value is not None})


def result_fields(measurement: Measurement) -> dict[str, object]:
    """Name the measurement's values as the result file does; None where the sample cannot carry one."""
    summary = measurement.summary()
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
