"""Time one session on one batch, through pytest-benchmark; write the seed's log, of several instances too."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from resnet_fixtures.hardware.cpu_list import format_cpu_list
from resnet_fixtures.timing.benchmark_adaptor import measure
from resnet_fixtures.timing.measurement import Measurement, warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet_fixtures.inference.common_window import InstanceResult
    from resnet_fixtures.inference.session import Images, InferenceSession
    from resnet_fixtures.report.seed_log import SeedLog
    from resnet_fixtures.timing.benchmark_adaptor import PedanticBenchmark
    from resnet_fixtures.timing.measurement import StepBudget


def time_session(
    benchmark: PedanticBenchmark, session: InferenceSession, images: Images, budget: StepBudget, log: SeedLog
) -> Measurement:
    """Run the warm-ups, whose probabilities are checked, then the steps.

    A step is one prepared call: feeding the images and fetching the probabilities are inside, decoding is not.
    """
    on_step = log.iteration if log.is_live else None
    warmup = warm_up(partial(session.checked_predict, images), budget, on_warmup=on_step)
    measurement = measure(benchmark, partial(session.predict, images), len(images), budget, warmup, on_step)
    write_log(log, measurement, logged=log.is_live)
    return measurement


def write_instances(log: SeedLog, results: Sequence[InstanceResult]) -> None:
    """Write the steps of each instance and what they come to, as the seed does in a log for each."""
    for result in results:
        log.instance(result.index, format_cpu_list(result.plan.cpus))
        measurement = Measurement(result.batch_size, result.warmup_s, result.steps_s)
        write_steps(log.iteration, measurement)
        log.performance(measurement)
    log.finish(results[0].batch_size)


def write_log(log: SeedLog, measurement: Measurement, *, logged: bool) -> None:
    """Write the steps, unless they have been logged one by one, and what they come to."""
    if not logged:
        write_steps(log.iteration, measurement)
    log.performance(measurement)
    log.finish(measurement.batch_size)


def write_steps(iteration: Callable[[int, float], object], measurement: Measurement) -> None:
    """Log warm-ups and steps in one row, from 1, as the seed does."""
    for number, seconds in enumerate((*measurement.warmup_s, *measurement.steps_s), start=1):
        iteration(number, seconds)
