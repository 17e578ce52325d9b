"""What a sampling process is told: what to run, how long, and whether the reference kernel runs beside it."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from resnet_fixtures.inference.child import ChildOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_WARMUP_STEPS = 2
MIN_STEPS = 3


@dataclass(frozen=True)
class SampleBudget:
    """How long one process warms up and measures: until the count or the time is reached, whichever is first.

    The times count steps alone, not the references between them. However long the steps are, there are
    MIN_WARMUP_STEPS and MIN_STEPS of them; who asks for fewer steps gets fewer. Steps of batch 1 teach little beyond
    some 50, as processes differ by more; those of larger batches are few, and the time is what a start takes.
    """

    warmup_steps: int = 10
    warmup_time_s: float = 0.3
    steps: int = 50
    step_time_s: float = 4.0

    def needs_warmup(self, warmup_s: Sequence[float]) -> bool:
        """Tell whether one more warm-up is due after these, in seconds."""
        done = len(warmup_s)
        return done < MIN_WARMUP_STEPS or (done < self.warmup_steps and sum(warmup_s) < self.warmup_time_s)

    def plan_steps(self, warmup_s: Sequence[float]) -> int:
        """Count the steps that fit in the time, going by the warm-ups."""
        return max(min(MIN_STEPS, self.steps), min(self.steps, int(self.step_time_s / typical_step_s(warmup_s))))


@dataclass(frozen=True)
class SampleOrder:
    """What a child runs, its budget, and whether the reference kernel follows each step.

    `slowdowns` is for experiments: the steps in turn take so much longer (0.05: 5 % of a step, spent busily inside
    the timed part). Empty, nothing is added.
    """

    child: ChildOrder
    budget: SampleBudget = field(default_factory=SampleBudget)
    with_reference: bool = True
    slowdowns: tuple[float, ...] = ()

    def with_absolute_paths(self) -> SampleOrder:
        """Return the order as a process in another folder needs it."""
        graph_file, images_file = self.child.graph_file, self.child.images_file
        images_file = images_file.absolute() if images_file else None
        return replace(self, child=replace(self.child, graph_file=graph_file.absolute(), images_file=images_file))

    def to_json(self) -> str:
        """Write the order on one line."""
        return json.dumps({**asdict(self), "child": self.child.to_json()})

    @classmethod
    def from_json(cls, text: str) -> SampleOrder:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(
            child=ChildOrder.from_json(fields["child"]),
            budget=SampleBudget(**fields["budget"]),
            with_reference=fields["with_reference"],
            slowdowns=tuple(fields["slowdowns"]),
        )


def typical_step_s(warmup_s: Sequence[float]) -> float:
    """Return the median of the warm-ups in seconds, the first, which is slow, left out where there are more."""
    return statistics.median(warmup_s[1:] or warmup_s)
