"""What a training run told, put together: its steps, its evaluations and its end."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resnet_fixtures.training.events import Begun, Ended, Evaluated, Event, Logged, Saved, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

MIN_WINDOW = 3  # steps; a median of fewer says nothing


@dataclass
class TrainingRecord:
    """The events of one run by kind; `begun` and `ended` are there once the run has.

    Weeks of training have millions of steps: they are kept for a trial alone.
    """

    keeps_steps: bool = True
    begun: Begun | None = None
    ended: Ended | None = None
    steps: list[Step] = field(default_factory=list)
    evaluations: list[Evaluated] = field(default_factory=list)
    checkpoint: str | None = None
    log: list[dict[str, Any]] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Keep an event."""
        match event:
            case Begun():
                self.begun = event
            case Ended():
                self.ended = event
            case Step() if self.keeps_steps:
                self.steps.append(event)
            case Evaluated():
                self.evaluations.append(event)
            case Saved():
                self.checkpoint = event.path
            case Logged():
                self.log.append(event.entry)

    @property
    def top1(self) -> float | None:
        """Return the last evaluation's top-1, None where there was none."""
        return self.evaluations[-1].top1 if self.evaluations else None

    def describe_curve(self) -> str:
        """Say top-1 by epoch, in one line."""
        return ", ".join(f"epoch {one.epoch}: {one.top1:.4f}" for one in self.evaluations) or "no evaluation"


@dataclass(frozen=True)
class LossTrend:
    """The medians of the loss in the first and in the last quarter of the steps."""

    first: float
    last: float
    window: int

    @property
    def is_falling(self) -> bool:
        """Tell whether the last median is below the first."""
        return self.last < self.first

    @property
    def sentence(self) -> str:
        """Say both in one line."""
        what = "fell" if self.is_falling else "did not fall"
        first = f"median {self.first:.4f} of the first {self.window} steps"
        return f"The loss {what}: {first}, {self.last:.4f} of the last."


def loss_trend(losses: Iterable[float]) -> LossTrend | None:
    """Compare the first and the last quarter; None where they have fewer than MIN_WINDOW steps each."""
    values = list(losses)
    window = max(len(values) // 4, MIN_WINDOW)
    if 2 * window > len(values):
        return None
    return LossTrend(statistics.median(values[:window]), statistics.median(values[-window:]), window)
