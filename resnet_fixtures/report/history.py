"""What was stored over time: runs with the result of each test, scores of accuracy, and trainings to a target."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from resnet_fixtures.report.change_points import Level, find_levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

PRECISIONS = ("int8", "bf16", "fp32")


@dataclass(frozen=True)
class Machine:
    """The kind of machine that a result is from: what two results must have in common to stand in one trend."""

    cpu_model: str
    isa: str
    cpus: int

    @property
    def label(self) -> str:
        """Say the machine in one line."""
        cpus = "1 CPU" if self.cpus == 1 else f"{self.cpus} CPUs"
        return ", ".join(part for part in (self.cpu_model, self.isa, cpus) if part)


@dataclass(frozen=True)
class Result:
    """One test of one run. `images_per_s` is the headline, `interval` its 95 % interval, None where there is none.

    `quantiles` are (share of the steps, seconds), from the fastest step to the slowest: all that were stored.
    `processes` counts instances or ranks, `medians_s` are those of the fresh processes that were measured one after the
    other under the gate.
    """

    test: str
    precision: str
    batch_size: int
    mode: str
    data: str
    machine: Machine
    threads: str
    processes: int
    images_per_s: float
    interval: tuple[float, float] | None
    latency_s: float
    steps: int
    versions: Mapping[str, str] = field(repr=False)
    graph: str = ""
    quantiles: tuple[tuple[float, float], ...] = field(default=(), repr=False)
    medians_s: tuple[float, ...] = field(default=(), repr=False)
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def samples(self) -> int:
        """Count the fresh processes that were measured one after the other."""
        return max(1, len(self.medians_s))

    @property
    def key(self) -> tuple[object, ...]:
        """Return what the results of one trend have in common."""
        return (self.test, self.machine, self.precision, self.batch_size, self.data, self.threads, self.processes)


@dataclass(frozen=True)
class Judged:
    """What a gate said of one test."""

    test: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Run:
    """One stored run: where it is stored, when and where it was made, its results, and a gate's verdicts on it."""

    source: str
    time: datetime
    node: str
    commit: str
    results: tuple[Result, ...]
    judged: tuple[Judged, ...] = ()
    is_baseline: bool = False


@dataclass(frozen=True)
class Score:
    """One accuracy run: exact counts, and top-1's 95 % interval as shares of the images."""

    source: str
    time: datetime
    precision: str
    data: str
    images: int
    correct1: int
    correct5: int
    interval: tuple[float, float]
    versions: Mapping[str, str] = field(repr=False)

    def is_like(self, other: Score) -> bool:
        """Tell a score that differs in its source and its time alone."""
        return replace(other, source=self.source, time=self.time) == self


@dataclass(frozen=True)
class Training:
    """One training to a target: the top-1 that it came to, and MLPerf's time to train where there is one."""

    source: str
    time: datetime
    precision: str
    data: str
    processes: int
    target: float
    top1: float
    epochs: int
    is_reached: bool
    time_to_train_s: float | None


@dataclass(frozen=True)
class Point:
    """A result in its trend, with its run's number from 1, oldest first."""

    number: int
    run: Run
    result: Result


@dataclass(frozen=True)
class Change:
    """Where a trend changed for good: `relative` is the new level against the old, `cause` what changed with it."""

    point: Point
    relative: float
    cause: str


@dataclass(frozen=True)
class Series:
    """The trend of one test on one kind of machine, oldest point first; `baseline` is the gate's images per second."""

    points: tuple[Point, ...]
    baseline: float | None = None

    @property
    def newest(self) -> Result:
        """Return the newest result."""
        return self.points[-1].result

    @property
    def name(self) -> str:
        """Return the test's name without its file."""
        return self.newest.test.rpartition("::")[2]

    @cached_property
    def levels(self) -> list[Level]:
        """Return the stretches between the change points."""
        return find_levels([point.result.images_per_s for point in self.points])

    @cached_property
    def changes(self) -> list[Change]:
        """Return the change points with what else changed between the two runs."""
        return [
            Change(self.points[after.start], after.value / before.value - 1, self._cause(after.start))
            for before, after in zip(self.levels, self.levels[1:], strict=False)
        ]

    def _cause(self, start: int) -> str:
        before, after = self.points[start - 1].result, self.points[start].result
        return describe_difference(before, after)


@dataclass(frozen=True)
class History:
    """All that was found, oldest first; `left_out` counts the benchmarks of other suites."""

    runs: tuple[Run, ...]
    scores: tuple[Score, ...]
    trainings: tuple[Training, ...]
    left_out: int = 0

    @cached_property
    def series(self) -> list[Series]:
        """Return a trend for each test and kind of machine, in the order of mode, precision and batch size."""
        baselines = {result.key: result.images_per_s for run in self.runs if run.is_baseline for result in run.results}
        trends: dict[tuple[object, ...], list[Point]] = defaultdict(list)
        for number, run in self.numbered():
            for result in run.results:
                trends[result.key].append(Point(number, run, result))
        found = [Series(tuple(points), baselines.get(key)) for key, points in trends.items()]
        return sorted(found, key=_order)

    @cached_property
    def machines(self) -> dict[Machine, Result]:
        """Return each kind of machine with the newest result from it."""
        return {result.machine: result for _, run in self.numbered() for result in run.results}

    def numbered(self) -> Iterable[tuple[int, Run]]:
        """Give each run that was measured with its number."""
        return enumerate((run for run in self.runs if not run.is_baseline), start=1)

    def newest_scores(self) -> Sequence[Score]:
        """Return the newest score of each precision on each data."""
        newest = {(score.data, score.precision): score for score in self.scores}
        return sorted(newest.values(), key=lambda score: (score.data, _rank(score.precision)))


def describe_difference(before: Result, after: Result) -> str:
    """Name the versions that differ between two results, another graph or way to sample; empty where nothing does."""
    names = sorted({*before.versions, *after.versions})
    parts = [
        f"{name} {before.versions.get(name, 'absent')} → {after.versions.get(name, 'absent')}"
        for name in names
        if before.versions.get(name) != after.versions.get(name)
    ]
    parts += ["another graph"] if before.graph != after.graph else []
    parts += [f"{before.samples} → {after.samples} fresh processes"] if before.samples != after.samples else []
    return ", ".join(parts)


def _order(series: Series) -> tuple[object, ...]:
    newest = series.newest
    return (newest.mode == "training", newest.machine.label, _rank(newest.precision), newest.batch_size, newest.test)


def _rank(precision: str) -> tuple[int, str]:
    return (PRECISIONS.index(precision) if precision in PRECISIONS else len(PRECISIONS), precision)
