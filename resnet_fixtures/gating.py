"""The gate's state in one run: the baseline, the entries that were measured, and the judgements on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.sampling import DEFAULT_LOOKS, sample_for, sample_until_decided
from resnet_fixtures.gate_options import GateMode, GateOptions
from resnet_fixtures.suite import SUITE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from resnet_fixtures.gate.judge import Rules
    from resnet_fixtures.gate.samples import Entry, ProcessSample
    from resnet_fixtures.gate.verdict import Judgement

    Pair = tuple[ProcessSample, ProcessSample]  # the other side's and this side's

LOOKS: tuple[int, ...] = DEFAULT_LOOKS
MARKER = "gate"  # gate(tolerance="2%")


@dataclass
class Gate:
    """What the gate knows: options and rules, the baseline (none for --against), and what came of the tests.

    `gone` are tests of the baseline that --gate-update did not find any more, `against` names the other side.
    """

    options: GateOptions
    rules: Rules
    baseline_path: Path
    baseline: Mapping[str, Entry] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    judgements: dict[str, Judgement] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    against: str | None = None

    def sample(self, entry: Entry, draw: Callable[[], ProcessSample]) -> Entry:
        """Draw the samples of a test and conclude; a test that nothing can be compared with fails before the first."""
        if self.options.mode is GateMode.UPDATE:
            samples = sample_for(draw, self.options.max_time_s, most=LOOKS[-1], least=LOOKS[0])
            return self.conclude(replace(entry, samples=samples))
        self.refuse_incomparable(entry)
        samples, judgement = sample_until_decided(
            draw,
            lambda drawn: self._judge(replace(entry, samples=tuple(drawn))),
            LOOKS,
            self.options.max_time_s,
        )
        return self.conclude(replace(entry, samples=samples), judgement)

    def sample_pairs(self, entry: Entry, draw: Callable[[], Pair]) -> Entry:
        """Draw pairs of the other side's and this side's samples and conclude."""
        from resnet_fixtures.gate.judge import judge_pairs

        def judge(pairs: Sequence[Pair]) -> Judgement:
            tolerance = self.rules.tolerance_for(entry)
            return judge_pairs(
                entry.test, entry.metric, entry.batch_size, pairs, tolerance, self.rules.tests, self.rules.looks
            )

        pairs, judgement = sample_until_decided(draw, judge, LOOKS, self.options.max_time_s)
        against, samples = zip(*pairs, strict=True)
        return self.conclude(replace(entry, samples=samples, against_samples=against), judgement)

    def refuse_incomparable(self, entry: Entry) -> None:
        """Fail a test now that no measurement could make comparable: its facts are judged with the baseline's own."""
        from resnet_fixtures.gate.verdict import Verdict

        if self.options.mode is not GateMode.JUDGE:
            return
        baseline = self.baseline.get(entry.test, entry)
        judgement = self._judge(replace(entry, samples=baseline.samples, scored=baseline.scored))
        if judgement.verdict in (Verdict.NO_BASELINE, Verdict.INCOMPATIBLE):
            self.judgements[entry.test] = judgement
            self.fail_unless_green(entry.test)

    def conclude(self, entry: Entry, judgement: Judgement | None = None) -> Entry:
        """Keep a measured entry and, unless a baseline is written, its judgement; return the entry.

        A test that measures twice is an InputError: the better half would hide the worse.
        """
        if entry.test in self.entries:
            raise InputError(f"{entry.test} measures twice, and the gate judges a test by one measurement: split it.")
        if self.options.mode is not GateMode.UPDATE:
            self.judgements[entry.test] = judgement or self._judge(entry)
        self.entries[entry.test] = entry
        return entry

    def judge_unmeasured(self, test: str) -> None:
        """Judge a test of the baseline that this run does not measure."""
        from resnet_fixtures.gate.judge import judge_unmeasured

        self.judgements[test] = judge_unmeasured(test, str(self.baseline_path))

    def fail_unless_green(self, test: str) -> None:
        """Fail a test whose verdict is not green, or that was not measured."""
        judgement = self.judgements.get(test)
        if judgement is None:
            if test not in self.entries:
                pytest.fail("the gate has no measurement of this test", pytrace=False)
        elif not self.is_green(judgement):
            pytest.fail(f"{judgement.verdict.value}: {judgement.reason}", pytrace=False)

    def is_green(self, judgement: Judgement) -> bool:
        """Tell whether a judgement lets its test pass."""
        from resnet_fixtures.gate.judge import is_green

        return is_green(judgement.verdict, inconclusive_fails=self.options.inconclusive_fails)

    def _judge(self, entry: Entry) -> Judgement:
        from resnet_fixtures.gate.judge import judge

        return judge(self.baseline.get(entry.test), entry, self.rules, str(self.baseline_path))


GATE = pytest.StashKey[Gate]()


def find_gate(config: pytest.Config) -> Gate | None:
    """Return the run's gate, None where it has none."""
    return config.stash.get(GATE, None)


def is_gated(config: pytest.Config) -> bool:
    """Tell whether the gate is on, before it has been made ready."""
    return config.stash[SUITE].options.gate.mode is not GateMode.OFF


def tolerance_fact(item: pytest.Item) -> dict[str, str]:
    """Return a test's own tolerance as the entry's facts have it; UsageError for a marker with anything else."""
    from resnet_fixtures.gate.judge import TOLERANCE_FACT

    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return {}
    tolerance = marker.kwargs.get("tolerance")
    if marker.args or set(marker.kwargs) != {"tolerance"} or not isinstance(tolerance, str):
        raise pytest.UsageError(f"{item.nodeid}: mark it gate(tolerance=…) with a text such as '2%'.")
    return {TOLERANCE_FACT: tolerance}
