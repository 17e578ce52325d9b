"""What a sampling process is told: what to run, how long, and whether the reference kernel runs beside it."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.inference.child import ChildOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_SAMPLE_WARMUPS = 2
MIN_STEPS = 3
# A process costs its start (5 s) and scatters by 1 % however many steps it runs; a step costs 1.3 to 2 times its time,
# with the reference, and scatters by 6 %, on a noisy machine by 14 % (benchmarks/gate/collect.py). The mean of many is
# most certain for its time where steps = (12 % / 1 %) sqrt(5 s / (1.8 step)): Cochran, Sampling Techniques, 10.6.
STEP_WORTH_S = 400.0


@dataclass(frozen=True)
class SampleBudget:
    """How long one process warms up and measures.

    The warm-ups end with their count or their time, which does not count the references between them. `steps` are the
    most: who asks for fewer gets fewer.
    """

    warmup_steps: int = 10
    warmup_time_s: float = 0.3
    steps: int = 200

    def needs_warmup(self, warmup_s: Sequence[float]) -> bool:
        """Tell whether one more warm-up is due after these, in seconds."""
        done = len(warmup_s)
        return done < MIN_SAMPLE_WARMUPS or (done < self.warmup_steps and sum(warmup_s) < self.warmup_time_s)

    def plan_steps(self, warmup_s: Sequence[float]) -> int:
        """Count the steps after which another process teaches more than another step, going by the warm-ups."""
        best = math.sqrt(STEP_WORTH_S / typical_step_s(warmup_s))
        return max(min(MIN_STEPS, self.steps), min(self.steps, round(best)))


@dataclass(frozen=True)
class SampleOrder:
    """What a child runs, its budget, and the embedded graph that is the reference kernel after each step (or None)."""

    child: ChildOrder
    budget: SampleBudget = field(default_factory=SampleBudget)
    reference_file: Path | None = None

    def with_absolute_paths(self) -> SampleOrder:
        """Return the order as a process in another folder needs it."""
        graph_file, images_file = self.child.graph_file, self.child.images_file
        child = replace(
            self.child, graph_file=graph_file.absolute(), images_file=images_file.absolute() if images_file else None
        )
        return replace(self, child=child, reference_file=self.reference_file and self.reference_file.absolute())

    def to_json(self) -> str:
        """Write the order on one line."""
        return json.dumps({**asdict(self), "child": self.child.to_json()}, default=str)

    @classmethod
    def from_json(cls, text: str) -> SampleOrder:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(
            child=ChildOrder.from_json(fields["child"]),
            budget=SampleBudget(**fields["budget"]),
            reference_file=Path(fields["reference_file"]) if fields["reference_file"] else None,
        )


def typical_step_s(warmup_s: Sequence[float]) -> float:
    """Return the median of the warm-ups in seconds, the first, which is slow, left out where there are more."""
    return statistics.median(warmup_s[1:] or warmup_s)
