"""Judge accuracy: answers to the same images are counted, not estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.gate.verdict import Judgement, Verdict
from resnet_fixtures.stats.paired import PairedComparison, compare_paired

if TYPE_CHECKING:
    from resnet_fixtures.gate.samples import ScoredImages
    from resnet_fixtures.gate.tolerance import Tolerance

TOP = (1, 5)


@dataclass(frozen=True)
class Flips:
    """Predictions that differ: from right to wrong, from wrong to right, and from one wrong class to another."""

    worse: int
    better: int
    other: int

    def __str__(self) -> str:
        predictions = "prediction differs" if self.total == 1 else "predictions differ"
        return f"{self.total:,} {predictions}: {self.worse:,} worse, {self.better:,} better, {self.other:,} other"

    @property
    def total(self) -> int:
        """Count them all."""
        return self.worse + self.better + self.other


def judge_accuracy(
    test: str,
    baseline: ScoredImages | None,
    run: ScoredImages | None,
    tolerance: Tolerance,
    baseline_name: str,
    notes: tuple[str, ...] = (),
) -> Judgement:
    """Judge top-1 and top-5 by their counts: a loss of more images than the tolerance's share is REGRESSED.

    The change is that of the one that decides, top-1 where none does, with Bonett and Price's interval at 95 %. Other
    images, or none, are INCOMPATIBLE.
    """
    refusal = _refuse(baseline, run, baseline_name)
    if refusal or baseline is None or run is None:
        return Judgement(test, Verdict.INCOMPATIBLE, refusal)
    tops = [compare_paired(_hits(baseline, k), _hits(run, k)) for k in TOP]
    verdict, deciding = decide([_lost(top) for top in tops], run, tolerance)
    top = tops[deciding]
    reason = _describe(tops, count_flips(baseline, run), tolerance, notes)
    return Judgement(test, verdict, reason, top.difference, top.difference_interval)


def decide(lost: list[int], run: ScoredImages, tolerance: Tolerance) -> tuple[Verdict, int]:
    """Return the verdict on the images lost of each top-k, and the index of the one that decides."""
    allowed = tolerance.share * len(run.ranks)
    worst, best = lost.index(max(lost)), lost.index(min(lost))
    if lost[worst] > allowed:
        return Verdict.REGRESSED, worst
    if -lost[best] > allowed:
        return Verdict.IMPROVED, best
    return Verdict.PASS, 0


def count_flips(baseline: ScoredImages, run: ScoredImages) -> Flips:
    """Count the images whose answer or whose top-1 hit differs."""
    there, here = _hits(baseline, 1), _hits(run, 1)
    worse, better = int(np.sum(there & ~here)), int(np.sum(here & ~there))
    differ = np.asarray(baseline.predictions) != np.asarray(run.predictions)
    return Flips(worse, better, int(np.sum(differ & (there == here))))


def _refuse(baseline: ScoredImages | None, run: ScoredImages | None, baseline_name: str) -> str:
    """Say why the two cannot be paired; empty where they can."""
    if not (baseline and run and baseline.ranks and run.ranks):
        return f"answers to images are missing here or in {baseline_name}: run with --gate-update here"
    columns = (baseline.predictions, baseline.ranks, run.predictions, run.ranks)
    if baseline.images_sha256 != run.images_sha256 or len({len(column) for column in columns}) > 1:
        counts = f"{len(run.ranks):,} here, {len(baseline.ranks):,} in {baseline_name}"
        return f"the images are others ({counts}): pass the same --data-location, or run with --gate-update here"
    return ""


def _hits(scored: ScoredImages, k: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(scored.ranks) < k


def _lost(top: PairedComparison) -> int:
    """Count the images that the run lost, less those that it won."""
    return top.only_a - top.only_b


def _describe(tops: list[PairedComparison], flips: Flips, tolerance: Tolerance, notes: tuple[str, ...]) -> str:
    allowed = int(tolerance.share * tops[0].images)
    top1, top5 = (_describe_top(top) for top in tops)
    details = (
        f"allowed {tolerance}, {allowed:,} {'image' if allowed == 1 else 'images'}",
        str(flips),
        f"McNemar p = {tops[0].p_value:.3g}",
        *notes,
    )
    counts = f"{top1[0]} of {tops[0].images:,} images right in top-1, {top1[1]}, and {top5[0]} in top-5, {top5[1]}"
    return f"{counts} ({'; '.join(details)})"


def _describe_top(top: PairedComparison) -> tuple[str, str]:
    """Return the images that are right, and how many that is beside the baseline's."""
    right, before = top.both_right + top.only_b, top.both_right + top.only_a
    lost = before - right
    change = f"{abs(lost):,} {'fewer' if lost > 0 else 'more'} than {before:,}" if lost else "as before"
    return f"{right:,}", change
