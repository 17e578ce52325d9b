"""What is judged: the samples of a test, each from a fresh process, and the facts that make two runs comparable."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

QUIET_SHARE = 0.5  # of a process' steps; docs/gate.md has what it does


class Metric(Enum):
    """What a test measures: more is better of images per second and of accuracy, less of the times."""

    IMAGES_PER_S = "images_per_s"
    LATENCY_S = "latency_s"
    TIME_TO_TARGET_S = "time_to_target_s"
    ACCURACY = "accuracy"


SHORTEST_S, LONGEST_S = 1e-9, 1e9  # beyond any step's and any training's time


@dataclass(frozen=True)
class ProcessSample:
    """What one fresh process measured: raw times in seconds, in the order in which they were taken.

    `reference_s` has the reference kernel's time beside each step, taken right after it; empty where there was none.
    A training to the target is one process with one step, the seconds that it took.
    """

    steps_s: tuple[float, ...] = field(repr=False)  # a failed assertion would show each step
    warmup_s: tuple[float, ...] = field(default=(), repr=False)
    reference_s: tuple[float, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.steps_s or (self.reference_s and len(self.reference_s) != len(self.steps_s)):
            raise ValueError("a sample needs one step or more, and a reference for each of them or for none")
        if not all(SHORTEST_S <= time_s <= LONGEST_S for time_s in (*self.steps_s, *self.reference_s)):
            raise ValueError(f"a sample's times are finite and above 0, and within {SHORTEST_S:g} to {LONGEST_S:g} s")

    @property
    def log_step(self) -> float:
        """Give the natural logarithm of the median step in seconds."""
        return math.log(statistics.median(self.steps_s))

    @property
    def log_reference(self) -> float | None:
        """Give the median logarithm of the references, in seconds, in quiet moments; None where there were none."""
        return statistics.median(log_s for log_s, _ in self._quiet_moments) if self.reference_s else None

    @property
    def log_ratio(self) -> float | None:
        """Give the median logarithm of a step over the references beside it, in quiet moments; None without references.

        Neighbours in time share what slows the machine, so their ratio varies less than the ratio of the medians. The
        quiet moments are the half with the fastest references: a busy neighbour slows a long step more than a short
        reference, so how often it was busy would be in the median of all.
        """
        if not self.reference_s:
            return None
        return statistics.median(math.log(step_s) - log_s for log_s, step_s in self._quiet_moments)

    @property
    def _quiet_moments(self) -> list[tuple[float, float]]:
        """Return the logarithm of the references beside a step, and the step in seconds, of the quiet moments.

        A step is between two references, whose geometric mean is nearer to its own moment than one of them; the first
        step has only the one after it.
        """
        after = [math.log(time_s) for time_s in self.reference_s]
        beside = [after[0], *map(statistics.fmean, pairwise(after))]
        moments = sorted(zip(beside, self.steps_s, strict=True), key=itemgetter(0))
        return moments[: math.ceil(len(moments) * QUIET_SHARE)]


@dataclass(frozen=True)
class ScoredImages:
    """Each image's answer, in reading order: `predictions` and `ranks` as accuracy.predictions has them.

    `images_sha256` is the digest of names and labels: two runs are paired where it is the same.
    """

    images_sha256: str
    predictions: tuple[int, ...] = field(repr=False)
    ranks: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True)
class Entry:
    """One test of one run: its id, what was measured, and the result fields that say by what and on what.

    Timings have `samples`, accuracy has `scored`. `batch_size` counts the images of a step (0: none). `facts` are the
    result fields of docs/measuring.md: precision, thread_plan, isa, machine, kernels, graph_sha256, versions and so on.
    `against_samples` are those of the other side of --against, each the one that took turns with this side's.
    """

    test: str
    metric: Metric
    batch_size: int
    facts: Mapping[str, object] = field(repr=False)
    samples: tuple[ProcessSample, ...] = ()
    scored: ScoredImages | None = None
    against_samples: tuple[ProcessSample, ...] = ()
