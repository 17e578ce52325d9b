from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import RunError
from resnet_fixtures.timing.replay import ReplayClock, replay

if TYPE_CHECKING:
    from collections.abc import Callable


class Benchmark:
    """Times rounds as pytest-benchmark does, by its timer."""

    def __init__(self, clock: ReplayClock, *, enabled: bool = True) -> None:
        self.clock, self.enabled, self.rounds_s = clock, enabled, list[float]()

    def pedantic(self, target: Callable[[], object], *, setup: None, rounds: int, iterations: int) -> None:
        assert (setup, iterations) == (None, 1)
        for _ in range(rounds):
            start_s = self.clock()
            target()
            self.rounds_s.append(self.clock() - start_s)


def test_each_time_becomes_a_round() -> None:
    clock = ReplayClock()
    benchmark = Benchmark(clock)
    replay(benchmark, clock, [0.5, 2.0, 0.25])  # type: ignore[arg-type]
    assert benchmark.rounds_s == [0.5, 2.0, 0.25]


def test_a_disabled_benchmark_measures_nothing() -> None:
    clock = ReplayClock()
    with pytest.raises(RunError, match="pytest-benchmark is disabled"):
        replay(Benchmark(clock, enabled=False), clock, [1.0])  # type: ignore[arg-type]


def test_pytest_benchmark_takes_the_clock(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from resnet_fixtures.timing.replay import ReplayClock, replay

        CLOCK = ReplayClock()

        @pytest.mark.benchmark(timer=CLOCK)
        def test_replays(benchmark):
            replay(benchmark, CLOCK, [0.5, 2.0, 0.25])
            assert benchmark.stats.stats.data == [0.5, 2.0, 0.25]
        """
    )
    pytester.runpytest_inprocess("-p", "no:resnet_fixtures.plugin").assert_outcomes(passed=1)
