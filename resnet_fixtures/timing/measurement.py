"""A measurement: warm-ups and steps as they were, and the budget that they had to fit in."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.stats.summary import LatencySummary, images_per_s, summarise_latency

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_WARMUP_STEPS = 3
MIN_STEPS = 10
CLOCK_RESOLUTION_S = 1e-9


@dataclass(frozen=True)
class StepBudget:
    """How many steps are wanted, and how long warm-ups and steps may take together.

    The time may cut the steps, but never below MIN_WARMUP_STEPS and MIN_STEPS; who asks for fewer gets fewer.
    """

    warmup_steps: int = 10
    steps: int = 50
    max_time_s: float = 60.0

    def __post_init__(self) -> None:
        options = {"--warmup-steps": self.warmup_steps, "--steps": self.steps, "--max-time": self.max_time_s}
        for option, value in options.items():
            if not value > 0:  # not `value <= 0`, which lets NaN pass
                raise InputError(f"{option} is {value}: pass a number above 0.")

    @property
    def warmup_time_s(self) -> float:
        """Give the warm-ups the share of the time that they have of the steps."""
        return self.max_time_s * self.warmup_steps / (self.warmup_steps + self.steps)


@dataclass(frozen=True)
class WarmUp:
    """The times of the warm-up steps, and a sentence on what --max-time cut of them (None: nothing)."""

    seconds: tuple[float, ...]
    cut: str | None


@dataclass(frozen=True)
class Measurement:
    """The raw times of one run, in seconds; `cut` is a sentence on what --max-time cut (None: nothing).

    `is_pooled` tells of steps of several processes: those of one are alike, so all together have no interval.
    """

    batch_size: int
    warmup_s: tuple[float, ...] = field(repr=False)  # a failed assertion would show each step
    steps_s: tuple[float, ...] = field(repr=False)
    cut: str | None = None
    is_pooled: bool = False

    def summary(self) -> LatencySummary:
        """Summarise the measured steps; warm-ups have no part in it."""
        return summarise_latency(self.steps_s)

    @property
    def images_per_s(self) -> float:
        """Give the throughput of the median step."""
        return images_per_s(self.batch_size, statistics.median(self.steps_s))


def warm_up(
    step: Callable[[], object],
    budget: StepBudget,
    clock: Callable[[], int] = time.perf_counter_ns,
    on_warmup: Callable[[int, float], object] | None = None,
) -> WarmUp:
    """Run the warm-up steps, fewer once their share of the time is gone; `clock` counts nanoseconds.

    `on_warmup` hears each one's number (from 1) and seconds, outside the timed part.
    """
    seconds: list[float] = []
    while len(seconds) < budget.warmup_steps and (
        len(seconds) < MIN_WARMUP_STEPS or sum(seconds) < budget.warmup_time_s
    ):
        start_ns = clock()
        step()
        seconds.append((clock() - start_ns) / 1e9)
        if on_warmup:
            on_warmup(len(seconds), seconds[-1])
    return WarmUp(tuple(seconds), describe_cut(budget, len(seconds), budget.steps))


def plan_steps(warmup: WarmUp, budget: StepBudget) -> int:
    """Count the steps that fit in what the warm-ups left of the time, going by the median of the last three.

    Never more than asked for, and never fewer than MIN_STEPS unless fewer were asked for.
    """
    step_s = max(statistics.median(warmup.seconds[-MIN_WARMUP_STEPS:]), CLOCK_RESOLUTION_S)
    left_s = budget.max_time_s - sum(warmup.seconds)
    return max(min(MIN_STEPS, budget.steps), int(min(budget.steps, left_s / step_s)))


def describe_cut(budget: StepBudget, warmup_steps: int, steps: int) -> str | None:
    """Say in one sentence what --max-time cut and how to get it back; None where it cut nothing."""
    counts = {"warm-ups": (budget.warmup_steps, warmup_steps), "steps": (budget.steps, steps)}
    cuts = [f"the {name} from {wanted} to {done}" for name, (wanted, done) in counts.items() if done < wanted]
    if not cuts:
        return None
    return f"--max-time {budget.max_time_s:g} s cut {' and '.join(cuts)}: raise it to run them all."
