"""Draw samples until they decide, or until the time is over."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Generic, TypeVar

from resnet_fixtures.gate.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
DEFAULT_LOOKS = (5, 10, 20, 40, 80)
DEFAULT_MAX_TIME_S = 600.0  # a test; docs/gate.md has what it catches


def sample_until_decided(
    draw: Callable[[], T],
    judge: Callable[[Sequence[T]], Judgement],
    looks: Sequence[int] = DEFAULT_LOOKS,
    max_time_s: float = DEFAULT_MAX_TIME_S,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[tuple[T, ...], Judgement]:
    """Draw, and judge at the planned counts, until the verdict is no longer INCONCLUSIVE; return samples and verdict.

    The first look's count is drawn whatever the time. Behind it nothing is drawn that would not fit by the median of
    the draws so far; what was drawn by then has the last look, which takes the place of a planned one, so that there
    are never more than `len(looks)`. A REGRESSED of the first look is looked at again while there is time: its few
    processes ran within a minute, and what the machine did in that minute is in all of them. `clock` counts seconds.
    """
    drawing = _Drawing(draw, looks[0], max_time_s, clock)
    for look in looks:
        seen = len(drawing.samples)
        drawing.draw_up_to(look)
        if len(drawing.samples) > seen:
            judgement = judge(tuple(drawing.samples))
        is_doubtful = judgement.verdict is Verdict.REGRESSED and look == looks[0]
        if (judgement.verdict is not Verdict.INCONCLUSIVE and not is_doubtful) or len(drawing.samples) < look:
            break
    return tuple(drawing.samples), judgement


def sample_for(
    draw: Callable[[], T],
    max_time_s: float = DEFAULT_MAX_TIME_S,
    most: int = DEFAULT_LOOKS[-1],
    least: int = DEFAULT_LOOKS[0],
    clock: Callable[[], float] = time.monotonic,
) -> tuple[T, ...]:
    """Draw a baseline's samples: `least` whatever the time, up to `most` while they fit. `clock` counts seconds."""
    drawing = _Drawing(draw, least, max_time_s, clock)
    drawing.draw_up_to(most)
    return tuple(drawing.samples)


class _Drawing(Generic[T]):
    """Holds what was drawn, and knows whether another draw fits."""

    def __init__(self, draw: Callable[[], T], least: int, max_time_s: float, clock: Callable[[], float]) -> None:
        self.samples: list[T] = []
        self._draw, self._least, self._clock = draw, least, clock
        self._end_s = clock() + max_time_s
        self._durations_s: list[float] = []

    def draw_up_to(self, count: int) -> None:
        """Draw until there are so many, or the next would not fit."""
        while len(self.samples) < count and self._fits():
            start_s = self._clock()
            self.samples.append(self._draw())
            self._durations_s.append(self._clock() - start_s)

    def _fits(self) -> bool:
        if len(self.samples) < self._least:
            return True
        return self._clock() + median(self._durations_s) <= self._end_s
