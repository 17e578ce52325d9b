from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.sampling import sample_for, sample_until_decided
from resnet_fixtures.gate.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Bench:
    """Draws take `draw_s` on a clock of their own; the verdict is `verdict` from `decides_at` samples on."""

    draw_s: float = 1.0
    decides_at: int = 1000
    verdict: Verdict = Verdict.PASS
    now_s: float = 100.0
    looks: list[int] = field(default_factory=list)
    drawn: int = 0

    def draw(self) -> int:
        self.now_s += self.draw_s
        self.drawn += 1
        return self.drawn

    def judge(self, samples: Sequence[int]) -> Judgement:
        assert list(samples) == list(range(1, len(samples) + 1))
        self.looks.append(len(samples))
        verdict = self.verdict if len(samples) >= self.decides_at else Verdict.INCONCLUSIVE
        return Judgement("test", verdict, f"after {len(samples)}")

    def run(self, max_time_s: float, looks: Sequence[int] = (5, 10, 20, 40)) -> tuple[tuple[int, ...], Judgement]:
        return sample_until_decided(self.draw, self.judge, looks, max_time_s, lambda: self.now_s)


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.INCONCLUSIVE])
def test_the_first_look_that_decides_is_the_last(verdict: Verdict) -> None:
    bench = Bench(decides_at=7, verdict=verdict)
    samples, judgement = bench.run(1000)
    assert (len(samples), bench.looks) == (10, [5, 10])
    assert (judgement.verdict, judgement.reason) == (verdict, "after 10")


@pytest.mark.parametrize(
    ("verdict", "looks"), [(Verdict.REGRESSED, [5, 10]), (Verdict.IMPROVED, [5]), (Verdict.PASS, [5])]
)
def test_a_loss_of_the_first_look_is_looked_at_again(verdict: Verdict, looks: list[int]) -> None:
    bench = Bench(decides_at=1, verdict=verdict)
    _, judgement = bench.run(1000)
    assert (bench.looks, judgement.verdict) == (looks, verdict)


def test_a_loss_of_the_first_look_stands_where_the_time_is_over() -> None:
    bench = Bench(decides_at=1, verdict=Verdict.REGRESSED)
    _, judgement = bench.run(5.0)
    assert (bench.looks, judgement.verdict) == ([5], Verdict.REGRESSED)


def test_all_looks_are_spent_before_it_is_left_undecided() -> None:
    bench = Bench()
    samples, judgement = bench.run(1000)
    assert (len(samples), bench.looks, judgement.verdict) == (40, [5, 10, 20, 40], Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("max_time_s", "looks"),
    [
        (0.0, [5]),  # the first look takes five, whatever the time
        (5.9, [5]),
        (7.9, [5, 7]),
        (10.0, [5, 10]),
        (10.9, [5, 10]),  # nothing new to look at
        (13.5, [5, 10, 13]),
        (39.5, [5, 10, 20, 39]),
        (40.0, [5, 10, 20, 40]),
    ],
)
def test_time_ends_it_with_one_of_the_planned_looks(max_time_s: float, looks: list[int]) -> None:
    bench = Bench()
    samples, judgement = bench.run(max_time_s)
    assert bench.looks == looks
    assert (len(samples), judgement.reason) == (looks[-1], f"after {looks[-1]}")
    assert bench.now_s <= 100 + max(5, max_time_s)


@pytest.mark.parametrize("max_time_s", [n / 2 for n in range(100)])
def test_there_are_never_more_looks_than_planned(max_time_s: float) -> None:
    bench = Bench()
    bench.run(max_time_s)
    assert len(bench.looks) <= 4


def test_one_slow_draw_does_not_end_the_sampling() -> None:
    bench = Bench()
    durations_s = iter([30.0] + [1.0] * 20)

    def draw() -> int:
        bench.draw_s = next(durations_s)
        return bench.draw()

    samples, _ = sample_until_decided(draw, bench.judge, (5, 10), 40.0, lambda: bench.now_s)
    assert len(samples) == 10  # the median of the draws is 1 s


def test_other_looks_can_be_planned() -> None:
    bench = Bench()
    bench.run(1000, looks=(3, 4))
    assert bench.looks == [3, 4]


def test_a_draw_that_fails_ends_it() -> None:
    def draw() -> int:
        raise RuntimeError("the process died")

    with pytest.raises(RuntimeError, match="the process died"):
        sample_until_decided(draw, Bench().judge)


@pytest.mark.parametrize(("max_time_s", "count"), [(0.0, 5), (7.5, 7), (40.0, 40), (500.0, 80)])
def test_a_baseline_gets_what_fits(max_time_s: float, count: int) -> None:
    bench = Bench()
    assert sample_for(bench.draw, max_time_s, clock=lambda: bench.now_s) == tuple(range(1, count + 1))
