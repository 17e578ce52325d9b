from __future__ import annotations

import random
from dataclasses import replace

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.judge import (
    Rules,
    are_green,
    count_timings,
    is_green,
    judge,
    judge_pairs,
    judge_runs,
    judge_unmeasured,
)
from resnet_fixtures.gate.samples import Entry, Metric
from resnet_fixtures.gate.tolerance import Tolerance, Unit
from resnet_fixtures.gate.verdict import Judgement, Verdict
from tests.plugin.gate.made_entries import (
    FACTS,
    TEST,
    make_entry,
    make_process,
    replace_fact,
    score_images,
    time_processes,
)

NAME = ".benchmarks/gate-baseline.json"


def entry(slower: float = 0.0, seed: int = 1, metric: Metric = Metric.IMAGES_PER_S, count: int = 10) -> Entry:
    rng = random.Random(seed)
    return make_entry([make_process(rng, slower, own=0.002) for _ in range(count)], metric)


def test_the_reason_is_one_line_with_all_that_it_rests_on() -> None:
    baseline = time_processes(0.0995, 0.1, 0.1005)
    run = replace(time_processes(0.1095, 0.11, 0.1105), facts=replace_fact(["versions", "tensorflow"], "2.21.0"))
    assert str(judge(baseline, run, Rules(), NAME)) == (
        f"{TEST}: REGRESSED: 72.7 img/s is 9.1 % below 80.0 (allowed 1 %; 99.8 % interval -11.6 … -6.5 %; "
        "3 and 3 processes; tensorflow 2.20.0 -> 2.21.0)"
    )


@pytest.mark.parametrize(
    ("slower", "verdict"), [(0.05, Verdict.REGRESSED), (0.0, Verdict.PASS), (-0.05, Verdict.IMPROVED)]
)
def test_runs_are_judged(slower: float, verdict: Verdict) -> None:
    assert judge(entry(), entry(slower, 2), Rules(), NAME).verdict is verdict


def test_a_run_against_itself_passes() -> None:
    judgement = judge(entry(), entry(), Rules(), NAME)
    assert (judgement.verdict, judgement.change) == (Verdict.PASS, 0.0)


def test_no_baseline() -> None:
    judgement = judge(None, entry(), Rules(), NAME)
    assert str(judgement) == f"{TEST}: NO_BASELINE: has no baseline in {NAME}: run with --gate-update"


def test_other_facts_are_incompatible_before_any_statistic() -> None:
    run = replace(entry(0.5), facts=replace_fact(["thread_plan", "intra"], 1))
    judgement = judge(entry(), run, Rules(), NAME)
    assert (judgement.verdict, judgement.change, judgement.interval) == (Verdict.INCOMPATIBLE, None, None)
    assert judgement.reason == (
        f"intra-op threads: 1 here, 2 in {NAME}: run with --gate-update here, or compare with --against"
    )


def test_the_reference_counts_only_where_it_is_the_same() -> None:
    rng = random.Random(5)
    baseline = make_entry(make_process(rng, shared=0.04, own=0.002) for _ in range(20))
    run = make_entry(make_process(rng, machine=0.1, shared=0.04, own=0.002) for _ in range(20))
    assert judge(baseline, run, Rules(), NAME).verdict is Verdict.PASS
    for facts in (replace_fact(["reference", "threads"], 1), replace_fact(["reference"], None)):
        judgement = judge(baseline, replace(run, facts=facts), Rules(), NAME)
        assert judgement.verdict is Verdict.REGRESSED
        assert "; no common reference, so that the machine's drift is not taken out" in judgement.reason
    unknown = replace_fact(["reference"], None)
    sides = replace(baseline, facts=unknown), replace(run, facts=unknown)
    assert judge(*sides, Rules(), NAME).verdict is Verdict.REGRESSED


@pytest.mark.parametrize(("there", "here"), [(2, 5), (5, 2), (1, 1)])
def test_two_trainings_are_too_few(there: int, here: int) -> None:
    metric = Metric.TIME_TO_TARGET_S
    judgement = judge(entry(0, 1, metric, there), entry(0.5, 2, metric, here), Rules(), NAME)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason == (
        f"{here} and {there} trainings are too few, 3 are needed here and in {NAME}: run with --mlperf-runs 5"
    )


def test_trainings_are_looked_at_once() -> None:
    metric = Metric.TIME_TO_TARGET_S
    judgement = judge(entry(0, 1, metric, 3), entry(0.3, 2, metric, 3), Rules(tests=2), NAME)
    assert judgement.verdict is Verdict.REGRESSED
    assert "(allowed 10 %; 99.5 % interval " in judgement.reason
    assert "3 and 3 trainings" in judgement.reason


def test_accuracy_is_judged_by_its_counts() -> None:
    baseline, run = score_images([0] * 3000), score_images([0] * 2998 + [1, 1])
    judgement = judge(baseline, run, Rules(), NAME)
    assert judgement.verdict is Verdict.REGRESSED
    assert judgement.reason.startswith("2,998 of 3,000 images right in top-1, 2 fewer than 3,000")
    assert judge(baseline, run, Rules({Metric.ACCURACY: Tolerance(0.1, Unit.POINTS)}), NAME).verdict is Verdict.PASS


def test_rules_share_alpha_among_tests_and_looks() -> None:
    assert Rules().confidence == pytest.approx(0.998)
    assert Rules(tests=8, looks=4).confidence == pytest.approx(1 - 0.01 / 32)
    assert Rules(tests=1, looks=1, alpha=0.05).confidence == pytest.approx(0.95)


@pytest.mark.parametrize(("tests", "looks"), [(0, 4), (1, 0)])
def test_rules_judge_something(tests: int, looks: int) -> None:
    with pytest.raises(ValueError, match="at least one test is judged"):
        Rules(tests=tests, looks=looks)


def test_rules_refuse_units_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="accuracy is judged in points, not by 2 %"):
        Rules({Metric.ACCURACY: Tolerance(2, Unit.PERCENT)})


def test_a_test_s_own_tolerance_goes_before_the_metric_s_and_this_before_the_default() -> None:
    rules = Rules({Metric.IMAGES_PER_S: Tolerance(3, Unit.PERCENT)})
    own = replace(entry(), facts={**FACTS, "gate_tolerance": "7%"})
    assert [str(rules.tolerance_for(one)) for one in (own, entry(), entry(metric=Metric.LATENCY_S))] == [
        "7 %",
        "3 %",
        "1 %",
    ]
    run = replace(entry(0.05, 2), facts={**FACTS, "gate_tolerance": "7%"})
    assert judge(entry(), run, rules, NAME).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("text", "sentence"), [("lots", "is no tolerance; pass one"), ("1 point", "is judged in per cent, not by 1 point")]
)
def test_a_stored_tolerance_that_cannot_be_is_bad_input(text: str, sentence: str) -> None:
    run = replace(entry(), facts={**FACTS, "gate_tolerance": text})
    with pytest.raises(InputError, match=sentence):
        judge(entry(), run, Rules(), NAME)


def test_runs_are_compared_both_ways() -> None:
    run = {"new": replace(entry(0, 2), test="new"), TEST: entry(0, 3)}
    judgements = judge_runs({"old": replace(entry(), test="old"), TEST: entry()}, run, Rules(), NAME)
    assert [(one.test, one.verdict) for one in judgements] == [
        ("new", Verdict.NO_BASELINE),
        (TEST, Verdict.PASS),
        ("old", Verdict.INCOMPATIBLE),
    ]
    assert judgements[-1].reason == (
        f"was not measured, but {NAME} has it: run it, or write another baseline with --gate-update"
    )
    assert not are_green(judgements, inconclusive_fails=False)
    assert judge_unmeasured("old", NAME) == judgements[-1]


def test_runs_correct_for_the_timings_that_are_judged_together() -> None:
    names = [f"test{index}" for index in range(8)]
    baseline = {name: replace(entry(), test=name) for name in names} | {"scored": score_images([0])}
    run = {name: replace(entry(0, 2), test=name) for name in [*names, "new"]} | {"scored": score_images([0])}
    assert count_timings(baseline, run) == 8
    judgements = judge_runs(baseline, run, Rules(), NAME)
    assert "99.975 % interval" in judgements[0].reason
    assert "99.8 % interval" in judge(baseline["test0"], run["test0"], Rules(), NAME).reason


def test_green_needs_something_that_was_judged() -> None:
    assert judge_runs({}, {}, Rules(), NAME) == []
    assert not are_green([], inconclusive_fails=False)
    assert are_green(judge_runs({TEST: entry()}, {TEST: entry()}, Rules(), NAME), inconclusive_fails=True)


@pytest.mark.parametrize(
    ("verdict", "when_failing", "when_passing"),
    [
        (Verdict.PASS, True, True),
        (Verdict.IMPROVED, True, True),
        (Verdict.INCONCLUSIVE, False, True),
        (Verdict.REGRESSED, False, False),
        (Verdict.NO_BASELINE, False, False),
        (Verdict.INCOMPATIBLE, False, False),
    ],
)
def test_green_verdicts(verdict: Verdict, when_failing: bool, when_passing: bool) -> None:
    assert is_green(verdict, inconclusive_fails=True) is when_failing
    assert is_green(verdict, inconclusive_fails=False) is when_passing
    assert are_green([Judgement("test", verdict, "why")], inconclusive_fails=False) is when_passing


def test_pairs_name_their_sides_and_share_alpha() -> None:
    rng = random.Random(3)
    pairs = [(make_process(rng, own=0.002), make_process(rng, 0.05, own=0.002)) for _ in range(10)]
    tolerance = Tolerance(2, Unit.PERCENT)
    judgement = judge_pairs(TEST, Metric.IMAGES_PER_S, 8, pairs, tolerance, tests=2, looks=4)
    assert judgement.verdict is Verdict.REGRESSED
    assert judgement.reason.startswith("76.1 img/s (this) is 5.0 % below 80.1 (against) (allowed 2 %; 99.87 % interval")
    assert judgement.reason.endswith("; 10 pairs of processes)")
    swapped = [(this, other) for other, this in pairs]
    assert judge_pairs(TEST, Metric.LATENCY_S, 1, swapped, tolerance, 2, 4).verdict is Verdict.IMPROVED
