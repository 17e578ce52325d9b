"""The verdict on one test, and the sentence that goes with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resnet_fixtures.stats.summary import Interval


class Verdict(Enum):
    """What the gate says of a test. PASS and IMPROVED are green; INCONCLUSIVE is as --gate-inconclusive says."""

    PASS = "PASS"  # noqa: S105
    IMPROVED = "IMPROVED"
    INCONCLUSIVE = "INCONCLUSIVE"
    REGRESSED = "REGRESSED"
    NO_BASELINE = "NO_BASELINE"
    INCOMPATIBLE = "INCOMPATIBLE"


GREEN = frozenset({Verdict.PASS, Verdict.IMPROVED})


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason in one line, without the test's id.

    `change` is the relative change for the worse (0.06: 6 % slower, or 6 points of accuracy lost), negative where the
    run is better; `interval` bounds it. Both are None where nothing could be compared.
    """

    test: str
    verdict: Verdict
    reason: str
    change: float | None = None
    interval: Interval | None = None

    def __str__(self) -> str:
        return f"{self.test}: {self.verdict.value}: {self.reason}"

    def as_dict(self) -> dict[str, object]:
        """Name the fields as the result file does."""
        pair = [self.interval.low, self.interval.high] if self.interval else None
        return {"verdict": self.verdict.value, "reason": self.reason, "change": self.change, "change_interval": pair}


def count_verdicts(judgements: Iterable[Judgement]) -> str:
    """Count the verdicts of each kind, in Verdict's order: `3 PASS, 1 REGRESSED`; empty where there are none."""
    counts = Counter(judgement.verdict for judgement in judgements)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
