"""Give pytest-benchmark times that were measured elsewhere, as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet_fixtures.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet_fixtures.timing.benchmark_adaptor import PedanticBenchmark


class ReplayClock:
    """A clock that stands still until it is told: the `timer` of a benchmark whose steps ran in another process."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def __call__(self) -> float:
        """Return the seconds that have been told so far."""
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_s += seconds


def replay(benchmark: PedanticBenchmark, clock: ReplayClock, seconds: Sequence[float]) -> None:
    """Make each of the times a round of the benchmark, whose timer must be `clock`; RunError where it is disabled."""
    if not benchmark.enabled:
        raise RunError(
            "pytest-benchmark is disabled, so nothing would be measured: leave --benchmark-disable and -n out."
        )
    times = iter(seconds)
    benchmark.pedantic(lambda: clock.advance(next(times)), setup=None, rounds=len(seconds), iterations=1)
