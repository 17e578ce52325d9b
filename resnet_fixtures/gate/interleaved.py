"""Sample two sides at once: a fresh process for each, in turns A B B A, so that what slows the machine hits both."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from resnet_fixtures.gate.fresh_process import PATIENCE_S, THIS_INTERPRETER, FreshProcess, Interpreter
from resnet_fixtures.gate.sample_order import typical_step_s
from resnet_fixtures.gate.samples import ProcessSample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resnet_fixtures.gate.sample_order import SampleBudget, SampleOrder

TURN_S = 0.15  # of steps: long against waking up, short against the machine's spells


@dataclass(frozen=True)
class Side:
    """What one side runs, and with which Python."""

    order: SampleOrder
    interpreter: Interpreter = THIS_INTERPRETER


def draw_pair(
    other: Side,
    this: Side,
    environ: Mapping[str, str] = os.environ,
    patience_s: float = PATIENCE_S,
    *,
    is_this_first: bool = False,
) -> tuple[ProcessSample, ProcessSample]:
    """Start a process for each side, let them take turns, and return the samples of (other, this).

    The first is loaded first and begins: let pairs alternate in `is_this_first`. References are left out where the
    sides' kernels differ (another numpy), so those that there are come from the same kernel. Raises as FreshProcess
    does, and ends both.
    """
    sides = (this, other) if is_this_first else (other, this)
    first, second = sample_in_turns(sides, environ, patience_s)
    return (second, first) if is_this_first else (first, second)


def sample_in_turns(
    sides: tuple[Side, Side], environ: Mapping[str, str], patience_s: float
) -> tuple[ProcessSample, ProcessSample]:
    """Return the samples of both sides, which take turns in the order A B B A A B B A."""
    with FreshProcess(sides[0].order, environ, sides[0].interpreter, patience_s) as first:
        greetings = [first.prepare()]  # before the second starts: two that load at once are not equally slow
        with FreshProcess(sides[1].order, environ, sides[1].interpreter, patience_s) as second:
            greetings.append(second.prepare())
            turns, steps = plan_turns(sides[0].order.budget, [greeting.warmup_s for greeting in greetings])
            parts: tuple[list[ProcessSample], list[ProcessSample]] = ([], [])
            for index in abba(turns):
                parts[index].append((first, second)[index].run(steps))
    has_reference = greetings[0].reference == greetings[1].reference
    return (
        _join(parts[0], greetings[0].warmup_s, has_reference=has_reference),
        _join(parts[1], greetings[1].warmup_s, has_reference=has_reference),
    )


def plan_turns(budget: SampleBudget, warmups_s: Sequence[Sequence[float]]) -> tuple[int, int]:
    """Return how many turns each side has, an even number, and how many steps a turn; the slower side decides."""
    slowest_s = max(warmups_s, key=typical_step_s)
    total = budget.plan_steps(slowest_s)
    steps = max(1, min(total // 2, round(TURN_S / typical_step_s(slowest_s))))
    turns = 2 * math.ceil(total / (2 * steps))
    return turns, math.ceil(total / turns)


def abba(turns: int) -> list[int]:
    """Say who has its turn: 0 and 1, each `turns` times (an even number), in the order 0 1 1 0 0 1 1 0."""
    return [0, 1, 1, 0] * (turns // 2)


def _join(parts: Sequence[ProcessSample], warmup_s: tuple[float, ...], *, has_reference: bool) -> ProcessSample:
    steps_s = tuple(chain.from_iterable(part.steps_s for part in parts))
    reference_s = tuple(chain.from_iterable(part.reference_s for part in parts)) if has_reference else ()
    return ProcessSample(steps_s, warmup_s, reference_s)
