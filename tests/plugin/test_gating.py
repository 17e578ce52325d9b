"""The gate's state: what is sampled, kept, judged and failed, without pytest around it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.judge import Rules
from resnet_fixtures.gate.verdict import Judgement, Verdict
from resnet_fixtures.gate_options import GateMode, GateOptions
from resnet_fixtures.gating import LOOKS, Gate
from tests.plugin.gate.made_entries import FACTS, TEST, make_entry, make_process, replace_fact

if TYPE_CHECKING:
    from resnet_fixtures.gate.samples import Entry, ProcessSample


class Process:
    """Draws processes `slower` by a share, and counts them."""

    def __init__(self, slower: float = 0.0, seed: int = 1) -> None:
        self.drawn = 0
        self._slower, self._rng = slower, random.Random(seed)

    def __call__(self) -> ProcessSample:
        self.drawn += 1
        return make_process(self._rng, self._slower, own=0.002)


def make_gate(
    mode: GateMode = GateMode.JUDGE, baseline: Entry | None = None, *, inconclusive_fails: bool = True
) -> Gate:
    options = GateOptions(mode, None, 60.0, inconclusive_fails, None, None)
    entries = {baseline.test: baseline} if baseline else {}
    return Gate(options, Rules(), Path("base.json"), entries)


@pytest.fixture
def baseline() -> Entry:
    draw = Process()
    return make_entry([draw() for _ in range(20)])


def test_update_draws_to_the_last_look_and_judges_nothing() -> None:
    gate, draw = make_gate(GateMode.UPDATE), Process()
    entry = gate.sample(make_entry(()), draw)
    assert (draw.drawn, len(entry.samples)) == (LOOKS[-1], LOOKS[-1])
    assert gate.entries == {TEST: entry}
    assert gate.judgements == {}
    gate.fail_unless_green(TEST)


@pytest.mark.parametrize(
    ("slower", "verdict", "looked_at"),
    [(0.0, Verdict.PASS, LOOKS[0]), (0.06, Verdict.REGRESSED, LOOKS[1]), (-0.06, Verdict.IMPROVED, LOOKS[0])],
)
def test_first_looks_decide_what_is_plain(baseline: Entry, slower: float, verdict: Verdict, looked_at: int) -> None:
    gate, draw = make_gate(baseline=baseline), Process(slower)
    entry = gate.sample(make_entry(()), draw)
    assert draw.drawn == looked_at
    assert gate.judgements[TEST].verdict is verdict
    assert gate.entries[TEST] is entry


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace_fact(["machine", "cpu_model"], "another"), "^INCOMPATIBLE: CPU model: another here, Xeon 8488C in "),
        (replace_fact(["thread_plan", "intra"], 4), "^INCOMPATIBLE: intra-op threads: 4 here, 2 in base.json"),
        (replace_fact(["kernels", "implementations"], {"ref": 53}), "^INCOMPATIBLE: kernels on one side alone: ref"),
    ],
)
def test_what_cannot_be_compared_is_not_measured(baseline: Entry, facts: dict[str, object], reason: str) -> None:
    gate, draw = make_gate(baseline=baseline), Process()
    with pytest.raises(pytest.fail.Exception, match=reason):
        gate.sample(replace(make_entry(()), facts=facts), draw)
    assert draw.drawn == 0
    assert gate.entries == {}
    assert gate.judgements[TEST].verdict is Verdict.INCOMPATIBLE


def test_test_without_a_baseline_is_not_measured() -> None:
    gate, draw = make_gate(), Process()
    with pytest.raises(pytest.fail.Exception, match=r"^NO_BASELINE: has no baseline in base.json: run with --gate-up"):
        gate.sample(make_entry(()), draw)
    assert draw.drawn == 0


def test_pairs_need_no_baseline_and_keep_both_sides() -> None:
    gate, this, other = make_gate(GateMode.AGAINST), Process(0.05), Process(seed=2)
    entry = gate.sample_pairs(make_entry(()), lambda: (other(), this()))
    assert gate.judgements[TEST].verdict is Verdict.REGRESSED
    assert len(entry.samples) == this.drawn == other.drawn == LOOKS[1]
    pairs = zip(entry.samples, entry.against_samples, strict=True)
    assert all(this.log_step > other.log_step + 0.03 for this, other in pairs)


def test_unmeasured_test_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"^the gate has no measurement of this test$"):
        make_gate().fail_unless_green(TEST)


@pytest.mark.parametrize("inconclusive_fails", [True, False])
@pytest.mark.parametrize("verdict", list(Verdict))
def test_verdicts_that_fail(verdict: Verdict, inconclusive_fails: bool) -> None:
    gate = make_gate(inconclusive_fails=inconclusive_fails)
    gate.judgements[TEST] = Judgement(TEST, verdict, "why")
    green = {Verdict.PASS, Verdict.IMPROVED} | (set() if inconclusive_fails else {Verdict.INCONCLUSIVE})
    if verdict in green:
        gate.fail_unless_green(TEST)
    else:
        with pytest.raises(pytest.fail.Exception, match=rf"^{verdict.value}: why$"):
            gate.fail_unless_green(TEST)


def test_second_measurement_cannot_hide_the_first(baseline: Entry) -> None:
    gate = make_gate(baseline=baseline)
    gate.sample(make_entry(()), Process(0.06))
    with pytest.raises(InputError, match=r"measures twice, and the gate judges a test by one measurement: split it\.$"):
        gate.sample(make_entry(()), Process())
    assert gate.judgements[TEST].verdict is Verdict.REGRESSED


def test_facts_of_the_run_are_judged_not_the_baseline_s(baseline: Entry) -> None:
    gate = make_gate(baseline=replace(baseline, facts={**FACTS, "gate_tolerance": "50%"}))
    gate.sample(make_entry(()), Process(0.06))
    assert gate.judgements[TEST].verdict is Verdict.REGRESSED
