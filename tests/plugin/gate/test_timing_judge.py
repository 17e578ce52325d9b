from __future__ import annotations

import math
import random
import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.judge import Rules, judge
from resnet_fixtures.gate.samples import Metric, ProcessSample
from resnet_fixtures.gate.sampling import sample_until_decided
from resnet_fixtures.gate.timing_judge import (
    Question,
    compare,
    compare_in_turns,
    decide,
    judge_timing,
    judge_timing_pairs,
)
from resnet_fixtures.gate.tolerance import Tolerance, Unit
from resnet_fixtures.gate.verdict import Verdict
from resnet_fixtures.stats.summary import Interval
from tests.plugin.gate.made_entries import TEST, make_entry, make_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet_fixtures.gate.samples import Entry
    from resnet_fixtures.gate.verdict import Judgement

ONE_PERCENT = Tolerance(1, Unit.PERCENT)
THROUGHPUT = Question(TEST, Metric.IMAGES_PER_S, 8, ONE_PERCENT, 0.999)
LATENCY = Question(TEST, Metric.LATENCY_S, 1, ONE_PERCENT, 0.999)
Process = partial[ProcessSample]


@pytest.mark.parametrize(
    ("loss", "interval", "upper95", "verdict"),
    [
        (0.02, (0.001, 0.039), 0.035, Verdict.REGRESSED),
        (0.02, (-0.001, 0.041), 0.035, Verdict.INCONCLUSIVE),
        (0.01, (0.005, 0.015), 0.012, Verdict.PASS),  # really slower, but by no more than is allowed
        (0.0101, (0.005, 0.015), 0.012, Verdict.REGRESSED),
        (0.0101, (-0.001, 0.021), 0.012, Verdict.INCONCLUSIVE),
        (0.0, (-0.03, 0.03), 0.02, Verdict.PASS),
        (0.0, (-0.03, 0.03), 0.0201, Verdict.INCONCLUSIVE),
        (-0.02, (-0.04, -0.001), -0.01, Verdict.IMPROVED),
        (-0.02, (-0.04, 0.001), -0.01, Verdict.PASS),
        (-0.01, (-0.015, -0.005), -0.007, Verdict.PASS),  # better, but by no more than is allowed
        (-0.05, (-0.2, 0.1), 0.03, Verdict.INCONCLUSIVE),
    ],
)
def test_verdicts_at_their_edges(loss: float, interval: tuple[float, float], upper95: float, verdict: Verdict) -> None:
    assert decide(loss, Interval(*interval, 0.99), upper95, 0.01) is verdict


def test_without_an_interval_nothing_is_decided() -> None:
    assert decide(0.5, None, None, 0.01) is Verdict.INCONCLUSIVE


def draw(count: int, seed: int, *args: float, **spread: float) -> tuple[ProcessSample, ...]:
    rng = random.Random(seed)
    return tuple(make_process(rng, *args, **spread) for _ in range(count))


def test_the_same_slowdown_is_a_loss_of_throughput_and_a_longer_time() -> None:
    sides = draw(10, 1, own=0.002), draw(10, 2, 0.05, own=0.002)
    throughput = judge_timing(THROUGHPUT, *sides, has_common_reference=False)
    latency = judge_timing(LATENCY, *sides, has_common_reference=False)
    assert (throughput.verdict, latency.verdict) == (Verdict.REGRESSED, Verdict.REGRESSED)
    assert throughput.change == pytest.approx(1 - math.exp(-0.05), abs=0.003)
    assert latency.change == pytest.approx(math.exp(0.05) - 1, abs=0.003)
    for judgement in (throughput, latency):
        assert judgement.interval is not None
        assert judgement.change is not None
        assert 0.04 < judgement.interval.low < judgement.change < judgement.interval.high < 0.06
        assert judgement.interval.confidence == 0.999


def test_a_slow_machine_is_not_a_slow_library() -> None:
    baseline, run = draw(20, 1, shared=0.05, own=0.003), draw(20, 2, 0.0, 0.1, shared=0.05, own=0.003)
    assert judge_timing(LATENCY, baseline, run, has_common_reference=False).verdict is Verdict.REGRESSED
    judgement = judge_timing(LATENCY, baseline, run, has_common_reference=True)
    assert judgement.verdict is Verdict.PASS
    assert re.search(r"; the machine itself \d+\.\d % slower, (9\d|10\d) % of it taken out\)", judgement.reason)


def test_a_slow_library_is_seen_on_a_fast_machine() -> None:
    sides = draw(20, 1, shared=0.03, own=0.003), draw(20, 2, 0.05, -0.05, shared=0.03, own=0.003)
    assert judge_timing(LATENCY, *sides, has_common_reference=False).verdict is not Verdict.REGRESSED
    assert judge_timing(LATENCY, *sides, has_common_reference=True).verdict is Verdict.REGRESSED


def test_a_step_that_follows_the_machine_by_two_thirds_is_judged_without_the_rest() -> None:
    process = partial(draw, shared=0.06, own=0.008, follows=0.67)
    judge_run = partial(judge_timing, THROUGHPUT, process(27, 1), has_common_reference=True)
    equal, slower = judge_run(process(10, 2, machine=-0.08)), judge_run(process(10, 3, 0.05, machine=-0.08))
    assert equal.verdict is Verdict.PASS
    assert equal.change == pytest.approx(0, abs=0.01)  # the ratio alone rises by 2.6 %
    assert re.search(r"the machine itself \d+\.\d % faster, 6\d % of it taken out", equal.reason)
    assert slower.verdict is Verdict.REGRESSED


def test_how_far_a_step_follows_a_machine_that_was_steady_on_both_days_is_not_known() -> None:
    sides = draw(20, 1, own=0.001), draw(10, 2, 0.0, 0.1, own=0.001)
    judgement = judge_timing(LATENCY, *sides, has_common_reference=True)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.interval is not None
    assert judgement.interval.low < -0.08 < 0.08 < judgement.interval.high  # 3.3 standard errors of 0.3 times 10 %


def test_a_reference_that_scatters_more_than_the_steps_is_left_out() -> None:
    sides = draw(10, 1, own=0.002, reference=0.01), draw(10, 2, own=0.002, reference=0.01)
    comparison = compare(*sides, THROUGHPUT, has_common_reference=True)
    assert comparison.machine is not None
    assert comparison.taken_out is None
    judgement = judge_timing(THROUGHPUT, *sides, has_common_reference=True)
    assert judgement.verdict is Verdict.PASS
    assert "the reference scatters more than the steps, and is left out" in judgement.reason


def test_a_reference_that_scatters_more_is_used_where_it_shows_another_machine() -> None:
    sides = draw(20, 1, own=0.001, reference=0.01), draw(20, 2, 0.0, 0.1, own=0.001, reference=0.01)
    comparison = compare(*sides, THROUGHPUT, has_common_reference=True)
    assert comparison.taken_out is not None
    assert comparison.machine is not None
    assert comparison.machine.estimate == pytest.approx(0.1, abs=0.01)


def test_a_machine_that_drifted_by_less_than_half_the_tolerance_does_not_count() -> None:
    sides = draw(40, 1, own=0.0001, reference=0.001), draw(40, 2, 0.0, 0.004, own=0.0001, reference=0.001)
    assert compare(*sides, THROUGHPUT, has_common_reference=True).taken_out is None


def test_one_process_without_a_reference_leaves_it_out_for_all() -> None:
    baseline = (*draw(5, 1, own=0.002), ProcessSample((0.1,)))
    comparison = compare(baseline, draw(5, 2, own=0.002), THROUGHPUT, has_common_reference=True)
    assert (comparison.taken_out, comparison.machine) == (None, None)


def make_pairs(count: int, seed: int, slower: float, own: float) -> list[tuple[ProcessSample, ProcessSample]]:
    """Pairs whose machine changes by a tenth from one to the next, which both of a pair feel."""
    rng = random.Random(seed)
    drifts = [rng.gauss(0, 0.1) for _ in range(count)]
    return [(make_process(rng, 0, drift, own=own), make_process(rng, slower, drift, own=own)) for drift in drifts]


@pytest.mark.parametrize(
    ("slower", "verdict"), [(0.03, Verdict.REGRESSED), (0.0, Verdict.PASS), (-0.03, Verdict.IMPROVED)]
)
def test_pairs_feel_the_machine_together(slower: float, verdict: Verdict) -> None:
    pairs = make_pairs(10, 3, slower, own=0.003)
    assert judge_timing_pairs(LATENCY, pairs).verdict is verdict
    other, this = zip(*pairs, strict=True)
    grouped = judge_timing(LATENCY, other, this, has_common_reference=False)
    assert grouped.verdict is Verdict.INCONCLUSIVE  # what drifts hides the change from two groups


@pytest.mark.parametrize("slower", [0.0, 0.03])
def test_the_side_that_was_started_first_may_be_slower(slower: float) -> None:
    penalty = 0.02
    later, earlier = make_pairs(10, 3, slower - penalty, own=0.003), make_pairs(10, 4, slower + penalty, own=0.003)
    pairs = [pair for both in zip(later, earlier, strict=True) for pair in both]
    judgement = judge_timing_pairs(LATENCY, pairs)
    assert judgement.change == pytest.approx(math.expm1(slower), abs=0.003)
    assert judgement.verdict is (Verdict.REGRESSED if slower else Verdict.PASS)


def test_steps_of_the_same_number_are_compared() -> None:
    spells = [0.01] * 6 + [0.02] * 5  # the machine slows down in mid-sample, a step earlier for one of the two
    other, this = ProcessSample(tuple(spells)), ProcessSample((*spells[1:], 0.02))
    assert compare_in_turns(other, this) == 0
    assert this.log_step - other.log_step == pytest.approx(math.log(2))


def test_a_fifth_of_the_steps_at_each_end_may_be_anything_and_the_others_are_averaged() -> None:
    ratios = [1e-9, 0.5, 1.01, 1.01, 1.01, 1.01, 1.01, 1.04, 1e3, 1e9]
    measured = compare_in_turns(ProcessSample((1.0,) * len(ratios)), ProcessSample(tuple(ratios)))
    assert measured == pytest.approx((5 * math.log(1.01) + math.log(1.04)) / 6)


def test_one_pair_and_none_are_undecided() -> None:
    pairs = make_pairs(1, 3, 0.5, own=0)
    judgement = judge_timing_pairs(LATENCY, pairs)
    assert (judgement.verdict, judgement.interval) == (Verdict.INCONCLUSIVE, None)
    judgement = judge_timing_pairs(LATENCY, [])
    assert (judgement.verdict, judgement.change) == (Verdict.INCONCLUSIVE, None)


def test_times_beyond_any_clock_break_nothing() -> None:
    tiny = tuple(ProcessSample((time_s,), (), (1e9,)) for time_s in (1e-9, 1e-8, 1e-9))
    huge = tuple(ProcessSample((time_s,), (), (1e-9,)) for time_s in (1e9, 1e9, 1e8))
    for question in (THROUGHPUT, LATENCY):
        for has_common_reference in (True, False):
            for sides in ((tiny, huge), (huge, tiny), (tiny[:2], tiny[1:])):
                judgement = judge_timing(question, *sides, has_common_reference=has_common_reference)
                assert judgement.change is not None
                assert math.isfinite(judgement.change)


@pytest.mark.parametrize("count", range(2, 41))
def test_every_verdict_can_be_reached_with_so_many_processes(count: int) -> None:
    """No rule that can never fire: with a small enough scatter every count decides."""
    scatter = 1e-6

    def verdict(slower: float) -> Verdict:
        sides = draw(count, 1, own=scatter), draw(count, 2, slower, own=scatter)
        return judge_timing(THROUGHPUT, *sides, has_common_reference=False).verdict

    verdicts = [verdict(slower) for slower in (0.05, 0.009, -0.009, -0.05)]
    assert verdicts == [Verdict.REGRESSED, Verdict.PASS, Verdict.PASS, Verdict.IMPROVED]


@pytest.mark.parametrize("count", [1, 2, 5, 10])
def test_one_process_on_a_side_can_be_judged_by_the_scatter_of_the_other(count: int) -> None:
    judged = judge_timing(THROUGHPUT, draw(1, 1), draw(count, 2, 0.05, own=1e-5), has_common_reference=False)
    assert judged.verdict is (Verdict.INCONCLUSIVE if count == 1 else Verdict.REGRESSED)


def judge_samples(baseline: Entry, rules: Rules, samples: Sequence[ProcessSample]) -> Judgement:
    return judge(baseline, make_entry(samples), rules, "base.json")


def judge_nights(
    nights: int, baseline_process: Process, run_process: Process, rules: Rules, baseline_count: int = 20
) -> tuple[dict[Verdict, float], float]:
    """Run so many nights, each with a baseline of its own; return the verdicts' shares and the mean of the samples."""
    rng, verdicts, drawn = random.Random(12), Counter[Verdict](), 0
    for _ in range(nights):
        baseline = make_entry(baseline_process(rng) for _ in range(baseline_count))
        samples, judgement = sample_until_decided(
            partial(run_process, rng), partial(judge_samples, baseline, rules), max_time_s=1e9
        )
        verdicts[judgement.verdict] += 1
        drawn += len(samples)
    return {verdict: count / nights for verdict, count in verdicts.items()}, drawn / nights


@pytest.mark.parametrize(
    "process",
    [
        partial(make_process, shared=0.012),  # the reference sees all that happens
        partial(make_process, own=0.015),  # it sees nothing
        partial(make_process, own=0.01, reference=0.0001),  # times and ratio scatter alike, and either may be chosen
        partial(make_process, shared=0.01, own=0.01, reference=0.01),
    ],
)
def test_equal_sides_are_called_regressed_in_at_most_1_of_100_nights(process: Process) -> None:
    shares, _ = judge_nights(400, process, process, Rules())
    assert shares.get(Verdict.REGRESSED, 0) <= 0.01
    assert shares.get(Verdict.IMPROVED, 0) <= 0.01
    assert shares[Verdict.PASS] > 0.97


@pytest.mark.parametrize(
    ("process", "machine"),
    [
        (partial(make_process, shared=0.01, own=0.005, reference=0.005), 0.03),
        (partial(make_process, shared=0.05, own=0.005, reference=0.005), 0.08),
        (partial(make_process, shared=0.05, own=0.01, reference=0.005, follows=0.67), -0.07),
    ],
)
def test_the_machine_s_drift_between_baseline_and_run_alarms_nobody(process: Process, machine: float) -> None:
    shares, _ = judge_nights(200, process, partial(process, machine=machine), Rules())
    assert shares.get(Verdict.REGRESSED, 0) <= 0.01
    assert shares[Verdict.PASS] > 0.97


def test_a_drift_beyond_what_the_processes_show_of_the_machine_alarms_nobody_either() -> None:
    """Where processes scatter as little as references do by themselves, the gate does not claim to know."""
    process = partial(make_process, shared=0.002, own=0.002, follows=0.67)
    shares, _ = judge_nights(100, process, partial(process, machine=-0.1), Rules())
    assert shares == {Verdict.INCONCLUSIVE: 1}


@pytest.mark.parametrize(("slower", "least"), [(0.05, 0.99), (0.03, 0.98), (0.02, 0.9)])
def test_slowdowns_are_caught_among_eight_tests_when_processes_scatter_by_1_2_per_cent(
    slower: float, least: float
) -> None:
    process = partial(make_process, shared=0.05, own=0.01, reference=0.0066)
    shares, drawn = judge_nights(200, process, partial(process, slower=slower), Rules(tests=8))
    assert shares[Verdict.REGRESSED] >= least
    assert drawn < 25


def test_a_loud_machine_is_left_undecided() -> None:
    process = partial(make_process, own=0.1)
    shares, drawn = judge_nights(100, process, process, Rules(tests=8))
    assert shares.get(Verdict.INCONCLUSIVE, 0) > 0.5
    assert shares.get(Verdict.REGRESSED, 0) <= 0.01
    assert drawn > 30


def test_undecided_test_says_which_side_to_measure_longer() -> None:
    def judge_with(baseline: int, run: int) -> str:
        rng = random.Random(1)
        groups = ([make_process(rng, own=0.1) for _ in range(count)] for count in (baseline, run))
        return judge_timing(LATENCY, *groups, has_common_reference=False).reason

    weak = "write the baseline, which has fewer, again: --gate-update with a longer --gate-max-time"
    assert judge_with(5, 10).endswith(f": {weak}")
    assert judge_with(10, 10).endswith(": raise --gate-max-time or the tolerance")
