"""Judge groups of collected processes by the gate, and say how often it is right.

    python -m benchmarks.gate.evaluate samples.jsonl

A trial draws a baseline and a run from the collected processes of one test, and judges them as the gate would: with its
looks, and no more processes than its time allows (what each took to start, to warm up, and for its steps and
references). The baseline has the processes' unchanged steps, the run those with the extra work. Each is drawn from all
processes, with replacement, so that there are as many as the gate would start, and because a process' unchanged and
slowed steps took turns, both sides differ by the extra work and chance alone. In one more table all processes are
different, and each side is of one stretch of time: they are fewer, but have whatever drifts. Beside it the rule of
`--benchmark-compare-fail=median:5%` judges single processes, every one against every other. The tables are markdown.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.gate.collect import read_lines
from resnet_fixtures.gate.judge import Rules, judge
from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample
from resnet_fixtures.gate.sampling import DEFAULT_LOOKS, DEFAULT_MAX_TIME_S, sample_for, sample_until_decided
from resnet_fixtures.gate.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from resnet_fixtures.gate.verdict import Judgement

RAW_LIMIT = 0.05  # of --benchmark-compare-fail=median:5%
IDLE, BUSY, BOTH = (False,), (True,), (False, True)  # is_busy of the processes
SCENES = {
    "idle": (IDLE, IDLE),
    "busy": (BUSY, BUSY),
    "every other process": (BOTH, BOTH),
    "idle, then busy": (IDLE, BUSY),
    "busy, then idle": (BUSY, IDLE),
}
SHOWN = (Verdict.REGRESSED, Verdict.PASS, Verdict.IMPROVED, Verdict.INCONCLUSIVE)


class Experiment(NamedTuple):
    """Extra work of a step, how many times the default time both sides have, and whether no process is drawn twice."""

    slowdown: float
    times: int = 1
    is_disjoint: bool = False


EXPERIMENTS = (
    Experiment(0.0), Experiment(0.0, is_disjoint=True), Experiment(0.05), Experiment(0.03), Experiment(0.02),
    Experiment(0.02, times=2),
)  # fmt: skip


@dataclass(frozen=True)
class Process:
    """One line of the file: a process of a test, its samples by the extra work inside the step, and its start-up."""

    test: tuple[str, int]  # precision and batch size
    is_busy: bool
    samples: Mapping[float, ProcessSample]
    start_up_s: float
    facts: Mapping[str, object] = field(repr=False)

    def duration_s(self, slowdown: float) -> float:
        """Return what the process would have taken, had it run the steps with this extra work and no others."""
        sample = self.samples[slowdown]
        return self.start_up_s + sum(sample.steps_s) + sum(sample.reference_s)


@dataclass
class Shelf:
    """Hands out processes one by one, each as a sample; its clock is the time that they took."""

    processes: list[Process]
    slowdown: float
    time_s: float = 0.0

    def draw(self) -> ProcessSample:
        """Take the next one."""
        process = self.processes.pop()
        self.time_s += process.duration_s(self.slowdown)
        return process.samples[self.slowdown]

    def clock(self) -> float:
        """Return the seconds so far; with no process left, no time is left either."""
        return self.time_s if self.processes else math.inf


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, nargs="+")
    parser.add_argument("--trials", type=int, default=50, help="for each test and scene (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    processes = [read_process(line) for path in options.samples for line in read_lines(path)]
    print(describe_spread(processes))
    print(describe_extra_work(processes))
    for experiment in EXPERIMENTS:
        print(describe_experiment(processes, experiment, options.trials, np.random.default_rng(options.seed)))


def read_process(line: Mapping[str, Any]) -> Process:
    """Read one line of collect.py."""
    return Process(
        test=(line["precision"], line["batch_size"]),
        is_busy=line["is_busy"],
        samples={one["slowdown"]: _read_sample(line, one) for one in line["conditions"]},
        start_up_s=line["start_up_s"],
        facts={**line["facts"], "reference": line["reference"], "versions": line["versions"]},
    )


def _read_sample(line: Mapping[str, Any], condition: Mapping[str, Any]) -> ProcessSample:
    times = (tuple(condition["steps_s"]), tuple(line["warmup_s"]), tuple(condition["reference_s"]))
    return ProcessSample(*times)


def describe_spread(processes: Sequence[Process]) -> str:
    """Say how the processes scatter and what a neighbour does to them, as they are and over the reference."""
    header = ("test", "processes", "step, ms", "spread idle, raw", "over reference", "spread busy, raw",
              "over reference", "busy - idle, raw", "over reference")  # fmt: skip
    return "\n".join(["## Processes", "", *format_table(header, map(_spread_row, _by_test(processes)))])


def _spread_row(group: tuple[tuple[str, int], list[Process]]) -> list[str]:
    test, processes = group
    sides = [[one.samples[0.0] for one in processes if one.is_busy is is_busy] for is_busy in (False, True)]
    raw = [[sample.log_step for sample in side] for side in sides]
    ratio = [[sample.log_ratio or 0.0 for sample in side] for side in sides]
    step_s = math.exp(statistics.median([*raw[0], *raw[1]]))
    spreads = map(_spread, (raw[0], ratio[0], raw[1], ratio[1]))
    counts = f"{len(sides[0])} + {len(sides[1])}"
    return [_name(test), counts, f"{step_s * 1e3:.1f}", *spreads, _shift(*raw), _shift(*ratio)]


def describe_extra_work(processes: Sequence[Process]) -> str:
    """Say by how much a process' ratio rose under real extra work, as mean and standard error over processes."""
    slowdowns = sorted({slowdown for one in processes for slowdown in one.samples if slowdown})
    header = ("test", *(f"extra work of {slowdown:.0%}" for slowdown in slowdowns))
    rows = [
        [_name(test), *(_rise(members, slowdown) for slowdown in slowdowns)] for test, members in _by_test(processes)
    ]
    return "\n".join(["", "## Extra work inside the step", "", *format_table(header, rows)])


def _rise(processes: Sequence[Process], slowdown: float) -> str:
    slowed = [one for one in processes if slowdown in one.samples]
    rises = [(one.samples[slowdown].log_ratio or 0.0) - (one.samples[0.0].log_ratio or 0.0) for one in slowed]
    if len(rises) < 2:
        return "-"
    return f"{statistics.fmean(rises):+.1%} ± {statistics.stdev(rises) / math.sqrt(len(rises)):.1%} ({len(rises)})"


def _spread(logs: Sequence[float]) -> str:
    return f"{statistics.stdev(logs):.2%}" if len(logs) > 1 else "-"


def _shift(idle: Sequence[float], busy: Sequence[float]) -> str:
    return f"{statistics.fmean(busy) - statistics.fmean(idle):+.2%}" if idle and busy else "-"


def describe_experiment(
    processes: Sequence[Process], experiment: Experiment, trials: int, draw: np.random.Generator
) -> str:
    """Run the trials of one experiment and return their table."""
    header = ("test", "neighbour", "trials", *(verdict.value for verdict in SHOWN), "processes",
              "median:5% on single processes")  # fmt: skip
    groups = _by_test(processes)
    rules = Rules(tests=len(groups))
    rows: list[list[str]] = []
    totals: dict[bool, Counter[Verdict]] = {True: Counter(), False: Counter()}  # are both sides of one kind?
    for (test, members), (name, sides) in itertools.product(groups, SCENES.items()):
        scene = Scene(members, sides, experiment)
        found = [scene.judge_trial(rules, draw) for _ in range(trials if scene.is_possible else 0)]
        counts = Counter(judgement.verdict for judgement, _ in found)
        used = f"{statistics.median(count for _, count in found):g}" if found else "too few"
        rows.append([_name(test), name, str(len(found)), *_shares(counts), used, scene.judge_singles()])
        totals[sides[0] == sides[1]] += counts
    for is_one_kind, counts in totals.items():
        name = "as before" if is_one_kind else "another than before"
        rows.append(["**all**", name, str(counts.total()), *_shares(counts), "", ""])
    title = f"Slowed by {experiment.slowdown:.0%}" if experiment.slowdown else "Nothing changed"
    title += ", all processes different" if experiment.is_disjoint else ""
    time = f"{experiment.times * DEFAULT_MAX_TIME_S:g} s for each side of a test"
    return "\n".join(["", f"## {title}, {time}", "", *format_table(header, rows)])


@dataclass(frozen=True)
class Scene:
    """The processes of one test, which of them make each side (without a neighbour, with one), and their time."""

    members: Sequence[Process]
    sides: tuple[Sequence[bool], Sequence[bool]]
    experiment: Experiment

    @property
    def is_possible(self) -> bool:
        """Tell whether there are enough different processes for a trial."""
        baseline, run = self._draw(np.random.default_rng(0))
        return min(len(baseline), len(run)) >= DEFAULT_LOOKS[0]

    def judge_trial(self, rules: Rules, draw: np.random.Generator) -> tuple[Judgement, int]:
        """Judge one drawn baseline and run; return the judgement, and how many processes the run has used."""
        baseline, run = self._draw(draw)
        max_time_s = self.experiment.times * DEFAULT_MAX_TIME_S
        stored = Shelf(baseline, 0.0)
        samples = sample_for(stored.draw, max_time_s, clock=stored.clock)
        entry = self._entry(samples)
        shelf = Shelf(run, self.experiment.slowdown)
        drawn, judgement = sample_until_decided(
            shelf.draw,
            lambda drawn: judge(entry, self._entry(tuple(drawn)), rules, "baseline"),
            max_time_s=max_time_s,
            clock=shelf.clock,
        )
        return judgement, len(drawn)

    def judge_singles(self) -> str:
        """Say how many pairs of single processes pytest-benchmark's rule would fail."""
        slowdown = self.experiment.slowdown
        fails = [
            math.exp(there.samples[slowdown].log_step - here.samples[0.0].log_step) - 1 > RAW_LIMIT
            for here, there in itertools.product(*self._choose())
            if here is not there
        ]
        return f"{sum(fails)} of {len(fails)} ({_share(sum(fails), len(fails))})"

    def _draw(self, draw: np.random.Generator) -> tuple[list[Process], list[Process]]:
        """Return as many processes for both sides as the gate may start; disjoint, half of those here."""
        baseline, run = self._choose()
        if not self.experiment.is_disjoint:
            return _resample(baseline, draw), _resample(run, draw)
        baseline, run = _turn_round(baseline, draw), _turn_round(run, draw)
        if self.sides[0] == self.sides[1]:
            baseline, run = baseline[: len(baseline) // 2], baseline[len(baseline) // 2 :]
        return baseline, run

    def _choose(self) -> tuple[list[Process], list[Process]]:
        """Return the processes that have what each side needs: its neighbour, and its extra work."""
        slowdowns = (0.0, self.experiment.slowdown)
        baseline, run = (
            [one for one in self.members if one.is_busy in side and slowdown in one.samples]
            for side, slowdown in zip(self.sides, slowdowns, strict=True)
        )
        return baseline, run

    def _entry(self, samples: tuple[ProcessSample, ...]) -> Entry:
        precision, batch_size = self.members[0].test
        metric = Metric.LATENCY_S if batch_size == 1 else Metric.IMAGES_PER_S
        return Entry(_name((precision, batch_size)), metric, batch_size, self.members[0].facts, samples)


def _resample(processes: list[Process], draw: np.random.Generator) -> list[Process]:
    """Draw from all; too few to start with stay too few."""
    if len(processes) < DEFAULT_LOOKS[0]:
        return []
    return [processes[index] for index in draw.integers(len(processes), size=DEFAULT_LOOKS[-1])]


def _turn_round(processes: list[Process], draw: np.random.Generator) -> list[Process]:
    """Begin somewhere and go on from the front: those that were neighbours in time stay so, as in a real run."""
    start = draw.integers(max(len(processes), 1))
    return processes[start:] + processes[:start]


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table in markdown."""
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def _by_test(processes: Sequence[Process]) -> list[tuple[tuple[str, int], list[Process]]]:
    tests = dict.fromkeys(one.test for one in processes)
    return [(test, [one for one in processes if one.test == test]) for test in tests]


def _shares(counts: Counter[Verdict]) -> Iterator[str]:
    return (f"{counts[verdict]} ({_share(counts[verdict], counts.total())})" for verdict in SHOWN)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _name(test: tuple[str, int]) -> str:
    return f"{test[0]} batch {test[1]}"


if __name__ == "__main__":
    main()
