from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.sample_order import SampleBudget
from resnet_fixtures.gate.sample_worker import StepTimer

if TYPE_CHECKING:
    from collections.abc import Callable

# Which distributions' modules the worker's own imports load.
IMPORTED = """
import sys
from importlib.metadata import packages_distributions
before = set(sys.modules)
import resnet_fixtures.gate.sample_worker
known = packages_distributions()
print(*sorted({name for module in set(sys.modules) - before for name in known.get(module.partition(".")[0], ())}))
"""


class Hand:
    """A clock that stands still but for the work: each call of `work(ns)` takes so long."""

    def __init__(self, tick_ns: int = 0) -> None:
        self.now_ns, self._tick_ns, self.done = 0, tick_ns, list[str]()

    def work(self, name: str, duration_ns: int) -> Callable[[], None]:
        def do() -> None:
            self.done.append(name)
            self.now_ns += duration_ns

        return do

    def __call__(self) -> int:
        self.now_ns += self._tick_ns
        return self.now_ns


def test_reference_runs_right_after_each_step_and_is_timed_by_itself() -> None:
    hand = Hand()
    timer = StepTimer(hand.work("step", 700), hand.work("reference", 300), clock=hand)
    assert timer.run(3) == {"steps_ns": [700] * 3, "reference_ns": [300] * 3}
    assert hand.done == ["step", "reference"] * 3


def test_without_a_reference_there_are_steps_alone() -> None:
    hand = Hand()
    timer = StepTimer(hand.work("step", 700), clock=hand)
    assert timer.run(2) == {"steps_ns": [700, 700], "reference_ns": []}


def test_warm_ups_run_the_reference_too_and_are_told_in_seconds() -> None:
    hand = Hand()
    timer = StepTimer(hand.work("step", 200_000_000), hand.work("reference", 1), clock=hand)
    assert timer.warm_up(SampleBudget()) == [0.2, 0.2]
    assert hand.done == ["step", "reference"] * 2


def test_slowdown_adds_its_share_of_a_recent_step() -> None:
    hand = Hand(tick_ns=1)
    timer = StepTimer(hand.work("step", 100_000), hand.work("reference", 50), clock=hand)
    for slowdown in (0.0, 0.05, 0.5, 0.0):
        times = timer.run(3, slowdown)
        assert [time_ns / 100_000 - 1 for time_ns in times["steps_ns"]] == pytest.approx([slowdown] * 3, abs=1e-3)
        assert times["reference_ns"] == [51] * 3


def test_slowdown_follows_the_machine() -> None:
    hand = Hand(tick_ns=1)
    durations = itertools.chain([100_000] * 9, [200_000] * 9)

    def step() -> None:
        hand.now_ns += next(durations)

    assert StepTimer(step, clock=hand).run(18, 0.1)["steps_ns"][-1] == pytest.approx(220_000, rel=1e-3)


def test_worker_imports_nothing_but_numpy_before_tensorflow() -> None:
    found = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True, timeout=60)
    assert set(found.stdout.split()) <= {"numpy", "resnet-fixtures"}
